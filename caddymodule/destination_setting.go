package caddymodule

import "github.com/caddyserver/caddy/v2"

// setting is a text of a destination's configuration, whose placeholders are replaced when it is provisioned.
type setting struct {
	name, configured string
	to               *string
	secret           bool
}

// expandAll expands the settings of the destination of that name, and warns of secrets that are written out.
func expandAll(ctx caddy.Context, destination string, settings []setting) (err error) {
	repl := caddy.NewReplacer()
	for _, s := range settings {
		if s.secret {
			*s.to, err = secretValue(ctx, repl, s.name, "forward "+destination, s.configured)
		} else {
			*s.to, err = expand(repl, s.name, s.configured)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
