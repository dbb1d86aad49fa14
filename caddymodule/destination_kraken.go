package caddymodule

import (
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/platform/kraken"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func init() {
	caddy.RegisterModule(&KrakenDestination{})
}

// KrakenDestination makes an affiliate session at Kraken for each session here and, if it is told to, for each conversion.
type KrakenDestination struct {
	Forwarding

	// The API's URL.
	Endpoint string `json:"endpoint"`

	// What tokens are obtained with, for an affiliate organisation. Write a placeholder: a secret that is written out shows in the
	// admin API's config dump.
	OrganizationSecretKey string `json:"organization_secret_key,omitempty"`

	// What tokens are obtained with, for a user, in the place of the organisation's secret key. Write a placeholder.
	APIKey string `json:"api_key,omitempty"`

	// What stands before the token: `JWT`, `Bearer` or `none`. Default: JWT.
	Scheme string `json:"scheme,omitempty"`

	// Kraken's ids of links by our codes. Other links are looked up by their subdomains.
	Links map[string]string `json:"links,omitempty"`

	// The event of a session. Default: VIEWED_AFFILIATE.
	Event string `json:"event,omitempty"`

	// The event of a conversion. Default: VIEWED_AFFILIATE.
	ConversionEvent string `json:"conversion_event,omitempty"`

	// Which conversions are sent: each when it is `reported`, or when it is `approved`. Default: none.
	Conversions kraken.ConversionRule `json:"conversions,omitempty"`

	// What becomes of an event of which nobody knows whether Kraken has taken it: `retry`, or `hold` it until somebody retries it by
	// hand. Default: retry.
	InDoubt kraken.DoubtRule `json:"in_doubt,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*KrakenDestination) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: destinationNamespace + ".kraken", New: func() caddy.Module { return new(KrakenDestination) }}
}

// UnmarshalCaddyfile reads the destination. Syntax, beside what every destination has:
//
//	forward kraken [<name>] {
//	    endpoint                <url>
//	    organization_secret_key <key>
//	    api_key                 <key>
//	    scheme                  JWT|Bearer|none
//	    link                    <code> <id at Kraken>
//	    event                   <name>
//	    conversions             reported|approved
//	    conversion_event        <name>
//	    in_doubt                retry|hold
//	}
//
// link can be repeated.
func (k *KrakenDestination) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return k.parse(d, parsers{
		"endpoint": text(&k.Endpoint), "organization_secret_key": text(&k.OrganizationSecretKey), "api_key": text(&k.APIKey),
		"scheme": word(&k.Scheme, kraken.SchemeJWT, kraken.SchemeBearer, kraken.SchemeNone), "link": k.parseLink,
		"event": text(&k.Event), "conversion_event": text(&k.ConversionEvent),
		"conversions": word(&k.Conversions, kraken.ConversionsReported, kraken.ConversionsApproved),
		"in_doubt":    word(&k.InDoubt, kraken.DoubtRetry, kraken.DoubtHold),
	}, "link")
}

func (k *KrakenDestination) parseLink(d *caddyfile.Dispenser) error {
	var code, id string
	if !d.AllArgs(&code, &id) || id == "" {
		return d.Err("link takes a link's code here and its id at Kraken")
	}
	if k.Links == nil {
		k.Links = map[string]string{}
	}
	return putLink(d, k.Links, code, id)
}

// putLink notes what a platform calls the link of a code.
func putLink[T any](d *caddyfile.Dispenser, links map[string]T, code string, theirs T) error {
	if err := tracker.CheckCode(code); err != nil {
		return d.Errf("link: %v", err)
	}
	if slices.ContainsFunc(slices.Collect(maps.Keys(links)), func(other string) bool { return strings.EqualFold(other, code) }) {
		return d.Errf("link: %s is given twice", code)
	}
	links[code] = theirs
	return nil
}

// byLowerCode is the same links by their codes in lower case.
func byLowerCode[T any](links map[string]T) map[string]T {
	lower := make(map[string]T, len(links))
	for code, theirs := range links {
		lower[strings.ToLower(code)] = theirs
	}
	return lower
}

// Destination implements DestinationModule.
func (k *KrakenDestination) Destination(ctx caddy.Context) (forward.Destination, error) {
	o := kraken.DestinationOptions{
		Scheme: k.Scheme, Links: byLowerCode(k.Links), Event: k.Event, ConversionEvent: k.ConversionEvent, Conversions: k.Conversions,
		InDoubt: k.InDoubt,
	}
	err := expandAll(ctx, k.Name, []setting{
		{"endpoint", k.Endpoint, &o.Endpoint, false}, {"organization_secret_key", k.OrganizationSecretKey, &o.OrganizationSecretKey, true},
		{"api_key", k.APIKey, &o.APIKey, true},
	})
	if err != nil {
		return nil, err
	}
	return kraken.NewDestination(o)
}

// Interface guards
var (
	_ DestinationModule     = (*KrakenDestination)(nil)
	_ caddyfile.Unmarshaler = (*KrakenDestination)(nil)
)
