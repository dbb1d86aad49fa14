package caddymodule

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/platform/invoca"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Invoca is the settings of Invoca's dialect.
type Invoca struct {
	// Whether the dialect's tolerances are off.
	Strict bool `json:"strict,omitempty"`

	// The networks by the numbers that stand for them in paths; an empty name is the app's network. A network's own name
	// always stands for it.
	NetworkIDs map[string]string `json:"network_ids,omitempty"`

	// Whether an affiliate that comes without an `id_from_network` is given one. Default: it is refused.
	GenerateIDs bool `json:"generate_ids,omitempty"`

	// Whether answers have `contact_phone_number`, the name in the platform's table, beside `phone_number`, that in its samples.
	ContactPhoneNumber bool `json:"contact_phone_number,omitempty"`

	// The names that custom data may have. Default: any.
	CustomData []string `json:"custom_data,omitempty"`

	// What becomes of custom data under other names: `refuse` (default) or `ignore`.
	UnknownCustomData unknownData `json:"unknown_custom_data,omitempty"`

	// The `object_url` of an affiliate, with `{id}` for its number: where your people see it. Default: where the native API has it.
	ObjectURL string `json:"object_url,omitempty"`
}

// unknownData is a value of Invoca.UnknownCustomData.
type unknownData string

const (
	refuseData unknownData = "refuse"
	ignoreData unknownData = "ignore"
)

// UnmarshalCaddyfile reads the settings. Syntax:
//
//	invoca {
//	    strict
//	    network_id           <number> [<network>]
//	    generate_ids
//	    contact_phone_number
//	    custom_data          <names...>
//	    unknown_custom_data  refuse|ignore
//	    object_url           <url>
//	}
//
// network_id can be repeated.
func (s *Invoca) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return parseSubBlock(d, parsers{
		"strict":               flag(&s.Strict),
		"network_id":           s.parseNetworkID,
		"generate_ids":         flag(&s.GenerateIDs),
		"contact_phone_number": flag(&s.ContactPhoneNumber),
		"custom_data":          texts(&s.CustomData),
		"unknown_custom_data":  word(&s.UnknownCustomData, refuseData, ignoreData),
		"object_url":           text(&s.ObjectURL),
	}, "network_id")
}

func (s *Invoca) parseNetworkID(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 || len(args) > 2 {
		return d.Err("the option network_id takes a number and at most one network")
	}
	number, network := args[0], ""
	if len(args) == 2 {
		network = args[1]
	}
	if _, twice := s.NetworkIDs[number]; twice {
		return d.Errf("network_id: %s is given twice", number)
	}
	if err := checkNetworkID(number, network); err != nil {
		return d.Err(err.Error())
	}
	if s.NetworkIDs == nil {
		s.NetworkIDs = map[string]string{}
	}
	s.NetworkIDs[number] = network
	return nil
}

func checkNetworkID(number, network string) error {
	if number == "" || len(number) > 18 || strings.Trim(number, "0123456789") != "" {
		return fmt.Errorf("network_id: %q is not a number of at most 18 digits", number)
	}
	if network == "" {
		return nil
	}
	return tracker.CheckNetwork(network)
}

// check refuses what the Caddyfile's parser refuses, for settings that came as JSON.
func (s *Invoca) check() error {
	for number, network := range s.NetworkIDs {
		if err := checkNetworkID(number, network); err != nil {
			return err
		}
	}
	switch s.UnknownCustomData {
	case "", refuseData, ignoreData:
	default:
		return fmt.Errorf("unknown_custom_data: %q is not one of: refuse, ignore", s.UnknownCustomData)
	}
	if s.UnknownCustomData == ignoreData && len(s.CustomData) == 0 {
		return fmt.Errorf("unknown_custom_data: with no custom_data there is none that is unknown")
	}
	if s.ObjectURL == "" {
		return nil
	}
	if u, err := url.Parse(s.ObjectURL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return fmt.Errorf("object_url: it is not an http or https URL")
	}
	return nil
}

func (s *Invoca) server(a *App) (*platform.Server, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	networks := map[string]string{}
	for number, network := range s.NetworkIDs {
		networks[number] = cmp.Or(network, a.Network)
	}
	return invoca.New(invoca.Options{
		Options: a.platformOptions(s.Strict),
		Books: func() (invoca.Books, error) {
			books, err := a.engine.Ledger()
			if err != nil {
				return nil, err // not a nil ledger in the interface
			}
			return books, nil
		},
		NetworkIDs:         networks,
		GenerateIDs:        s.GenerateIDs,
		ContactPhoneNumber: s.ContactPhoneNumber,
		CustomData:         s.CustomData,
		IgnoreCustomData:   s.UnknownCustomData == ignoreData,
		ObjectURL:          s.ObjectURL,
	}), nil
}
