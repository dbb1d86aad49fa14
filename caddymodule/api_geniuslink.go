package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/platform/geniuslink"
)

// Geniuslink is the settings of Geniuslink's dialect.
type Geniuslink struct {
	// Whether the dialect's tolerances are off.
	Strict bool `json:"strict,omitempty"`

	// Affiliate programmes that tokens can be for, beside those that come with the dialect. One of a guid that is known already
	// takes its place.
	Programs []Program `json:"programs,omitempty"`
}

// Program is an affiliate programme that tokens can be for.
type Program struct {
	// Names the programme in requests and links: 1 to 64 of A-Z a-z 0-9 _ -.
	GUID string `json:"guid"`
	// What people call it.
	Name string `json:"name"`
	// The names of its parameters. Tokens can have no others.
	Parameters []string `json:"parameters"`
	// Where the parameters are added to a link's destination: these hosts and those below them. Default: everywhere.
	Hosts []string `json:"hosts,omitempty"`
}

// UnmarshalCaddyfile reads the settings. Syntax:
//
//	geniuslink {
//	    strict
//	    program <guid> <name> {
//	        parameter <name...>
//	        host <name...>
//	    }
//	}
func (s *Geniuslink) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	name := d.Val()
	if d.NextArg() {
		return d.Errf("the option %s takes a block and no value", name)
	}
	count, err := parseBlock(d, parsers{"strict": flag(&s.Strict), "program": s.parseProgram}, "program")
	if err == nil && count == 0 {
		return d.Errf("the option %s needs a block that says what it is", name)
	}
	return err
}

func (s *Geniuslink) parseProgram(d *caddyfile.Dispenser) error {
	var p Program
	if !d.AllArgs(&p.GUID, &p.Name) {
		return d.Err("program needs a guid and a name")
	}
	if _, err := parseBlock(d, parsers{"parameter": texts(&p.Parameters), "host": texts(&p.Hosts)}); err != nil {
		return err
	}
	known := geniuslink.Program(p)
	if err := known.Check(); err != nil {
		return d.WrapErr(err)
	}
	s.Programs = append(s.Programs, p)
	return nil
}

func (s *Geniuslink) server(a *App) (*platform.Server, error) {
	programs := make([]geniuslink.Program, len(s.Programs))
	for i, p := range s.Programs {
		programs[i] = geniuslink.Program(p)
	}
	return geniuslink.New(geniuslink.Options{
		Options:  a.platformOptions(s.Strict),
		Programs: programs,
		Books: func() (geniuslink.Books, error) {
			books, err := a.engine.Ledger()
			if err != nil {
				return nil, err // not a nil ledger in the interface
			}
			return books, nil
		},
	})
}
