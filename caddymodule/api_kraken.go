package caddymodule

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/platform/kraken"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Kraken is the settings of Kraken's dialect.
type Kraken struct {
	// Whether the dialect's tolerances are off.
	Strict bool `json:"strict,omitempty"`

	// Whether clients may ask for the schema (`__schema`, `__type`). Default: they may not; `__typename` is always answered.
	Introspection bool `json:"introspection,omitempty"`

	// How `queryParams` is shown: `string` (default), which holds the JSON as Kraken's does, or `object`.
	QueryParams paramsForm `json:"query_params,omitempty"`

	// The code of the error for a `linkId` that is no live link's, which Kraken does not document. Default: `KT-CT-7713`.
	UnknownLinkCode string `json:"unknown_link_code,omitempty"`

	// What is kept of a session's `ipAddress`, as in the directive `affiliate`. Default: what the strictest of the network's
	// directives keeps.
	IP tracker.IPMode `json:"ip,omitempty"`

	// Likewise of its `userAgent`.
	UserAgent string `json:"user_agent,omitempty"`
}

// paramsForm is a value of Kraken.QueryParams.
type paramsForm string

const (
	paramsString paramsForm = "string"
	paramsObject paramsForm = "object"
)

// UnmarshalCaddyfile reads the settings. Syntax:
//
//	kraken {
//	    strict
//	    introspection
//	    query_params      string|object
//	    unknown_link_code <code>
//	    ip                full|truncate|hash|none
//	    user_agent        full|none
//	}
func (s *Kraken) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return parseSubBlock(d, parsers{
		"strict":        flag(&s.Strict),
		"introspection": flag(&s.Introspection),
		"query_params":  word(&s.QueryParams, paramsString, paramsObject),
		"unknown_link_code": parsed(func(code string) error {
			s.UnknownLinkCode = code
			return checkKrakenCode(code)
		}),
		"ip":         word(&s.IP, tracker.IPModes...),
		"user_agent": word(&s.UserAgent, agentValues...),
	})
}

var krakenCode = regexp.MustCompile(`^[A-Z]{2,3}-[A-Z]{2,3}-[0-9]{1,6}$`)

func checkKrakenCode(code string) error {
	if !krakenCode.MatchString(code) {
		return errors.New("write a code such as KT-CT-7713")
	}
	return nil
}

// check says what is wrong with the settings.
func (s *Kraken) check() error {
	if s.UnknownLinkCode != "" {
		if err := checkKrakenCode(s.UnknownLinkCode); err != nil {
			return fmt.Errorf("unknown_link_code %q: %w", s.UnknownLinkCode, err)
		}
	}
	if s.QueryParams != "" && s.QueryParams != paramsString && s.QueryParams != paramsObject {
		return fmt.Errorf("query_params %q is not one of: string, object", s.QueryParams)
	}
	return s.modes().checkPrivacy()
}

// modes is a directive of which only the modes of privacy are set.
func (s *Kraken) modes() *Handler { return &Handler{IP: s.IP, UserAgent: s.UserAgent} }

// kept says what of a visitor's address and user agent is kept in a network.
func (s *Kraken) kept(a *App) func(network, address, agent string, now time.Time) (string, string) {
	own := s.modes()
	return func(network, address, agent string, now time.Time) (string, string) {
		h := a.privacy.strictest(network, own)
		h.app, h.network = a, network
		if h.UserAgent == agentNone {
			agent = ""
		}
		return h.keptAddress(address, now), agent
	}
}

func (s *Kraken) server(a *App) (*platform.Server, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return kraken.New(kraken.Options{
		Options: a.platformOptions(s.Strict),
		Books: func() (kraken.Books, error) {
			books, err := a.engine.Ledger()
			if err != nil {
				return nil, err // not a nil ledger in the interface
			}
			return books, nil
		},
		Introspection: s.Introspection,
		ObjectParams:  s.QueryParams == paramsObject,
		UnknownLink:   s.UnknownLinkCode,
		Kept:          s.kept(a),
	}), nil
}
