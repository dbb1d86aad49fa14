package caddymodule

import (
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/platform/geniuslink"
)

func init() {
	caddy.RegisterModule(&GeniuslinkDestination{})
}

// GeniuslinkDestination keeps the parameters that groups have for affiliate programmes at Geniuslink as they are in the books. The
// events of one group and programme are always sent one after the other.
type GeniuslinkDestination struct {
	Forwarding

	// The base of the API's URLs.
	Endpoint string `json:"endpoint"`

	// The API's key.
	Key string `json:"key"`

	// The API's secret. Write a placeholder: a secret that is written out shows in the admin API's config dump.
	Secret string `json:"secret"`

	// The user who keeps the tokens there. Default: who keeps them here.
	Username string `json:"username,omitempty"`

	// Geniuslink's guids of programmes by ours. Default: the same.
	Programs map[string]string `json:"programs,omitempty"`

	// Geniuslink's numbers of groups by ours. Default: the same.
	Groups map[uint32]uint32 `json:"groups,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*GeniuslinkDestination) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: destinationNamespace + ".geniuslink", New: func() caddy.Module { return new(GeniuslinkDestination) }}
}

// UnmarshalCaddyfile reads the destination. Syntax, beside what every destination has:
//
//	forward geniuslink [<name>] {
//	    endpoint <url>
//	    key      <key>
//	    secret   <secret>
//	    username <name>
//	    program  <guid here> <guid there>
//	    group    <number here> <number there>
//	}
//
// program and group can be repeated.
func (g *GeniuslinkDestination) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return g.parse(d, parsers{
		"endpoint": text(&g.Endpoint), "key": text(&g.Key), "secret": text(&g.Secret), "username": text(&g.Username),
		"program": g.parseProgram, "group": g.parseGroup,
	}, "program", "group")
}

func (g *GeniuslinkDestination) parseProgram(d *caddyfile.Dispenser) error {
	var ours, theirs string
	if !d.AllArgs(&ours, &theirs) {
		return d.Err("program takes a programme's guid here and its guid at Geniuslink")
	}
	if _, twice := g.Programs[ours]; twice {
		return d.Errf("program: %s is given twice", ours)
	}
	if g.Programs == nil {
		g.Programs = map[string]string{}
	}
	g.Programs[ours] = theirs
	return nil
}

func (g *GeniuslinkDestination) parseGroup(d *caddyfile.Dispenser) error {
	var texts [2]string
	var numbers [2]uint32
	if !d.AllArgs(&texts[0], &texts[1]) {
		return d.Err("group takes a group's number here and its number at Geniuslink")
	}
	for i, s := range texts {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return d.Errf("group: %q is not a number from 0 to 4294967295", s)
		}
		numbers[i] = uint32(n)
	}
	if _, twice := g.Groups[numbers[0]]; twice {
		return d.Errf("group: %d is given twice", numbers[0])
	}
	if g.Groups == nil {
		g.Groups = map[uint32]uint32{}
	}
	g.Groups[numbers[0]] = numbers[1]
	return nil
}

// Destination implements DestinationModule. It is always ordered, so that what tokens were never comes after what they are.
func (g *GeniuslinkDestination) Destination(ctx caddy.Context) (forward.Destination, error) {
	g.Ordered = true
	o := geniuslink.DestinationOptions{Programs: g.Programs, Groups: g.Groups}
	err := expandAll(ctx, g.Name, []setting{
		{"endpoint", g.Endpoint, &o.Endpoint, false}, {"key", g.Key, &o.Key, false}, {"secret", g.Secret, &o.Secret, true},
		{"username", g.Username, &o.Username, false},
	})
	if err != nil {
		return nil, err
	}
	return geniuslink.NewDestination(o)
}

// Interface guards
var (
	_ DestinationModule     = (*GeniuslinkDestination)(nil)
	_ caddyfile.Unmarshaler = (*GeniuslinkDestination)(nil)
)
