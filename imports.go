// Package caddyaffiliate brings the affiliate plugin into a Caddy build: importing it registers every module, so one
// `xcaddy build --with github.com/caddy-affiliate/caddy-affiliate` is enough.
package caddyaffiliate

import (
	_ "github.com/caddy-affiliate/caddy-affiliate/caddymodule" // the app, the directive, the admin routes and the command
)
