// Command caddy is Caddy with its standard modules and the affiliate plugin, for those who do not use xcaddy.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddy-affiliate/caddy-affiliate"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func main() { caddycmd.Main() }
