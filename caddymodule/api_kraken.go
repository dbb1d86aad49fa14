package caddymodule

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/platform/kraken"
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
	return nil
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
	}), nil
}
