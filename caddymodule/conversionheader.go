package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/dunglas/httpsfv"
)

// ConversionHeader takes conversions from the `Affiliate-Conversion` field of the site's own responses, an RFC 8941 List with
// one item for each:
//
//	Affiliate-Conversion: buy;external_id="12345";amount=99.90;currency="EUR"
//
// The item is the type: `buy`, `sale`, `lead` or `click`. `external_id` and `currency` are required; `amount` (in major
// units), `coupon`, `customer` and `name` may be given. No client ever sees the field, nor a trailer of that name. It is
// ignored in responses of status 304, 4xx and 5xx, to HEAD, and in those with `Age`, which a cache has told before; what is malformed is
// counted and logged. The response is served in any case.
type ConversionHeader struct {
	// The requests whose responses may tell conversions; from all others the field is removed too, and counts for nothing.
	// Default: all.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	// Takes the parameter `status`, so that the upstream can say `status=approved`. Without it conversions are always
	// pending, and the parameter is malformed. Default: false.
	Trusted bool `json:"trusted,omitempty"`

	matchers caddyhttp.MatcherSets
}

const (
	// conversionField is ConversionHeader's field, as net/http spells it.
	conversionField = "Affiliate-Conversion"

	maxConversionField = 8 << 10 // bytes, over all lines
	maxConversionItems = 20
)

// parseConversions reads the lines of the field, each as a list of its own: what is no list spoils no other line. Where one of
// several conversions is malformed the others still count; errs has what is wrong, and repeats no value.
func parseConversions(lines []string, trusted bool) (list []reported, errs []error) {
	size := 0
	for _, line := range lines {
		size += len(line)
	}
	if size > maxConversionField {
		return nil, []error{fmt.Errorf("the field has more than %d bytes", maxConversionField)}
	}
	items := 0
	for i, line := range lines {
		members, err := httpsfv.UnmarshalList([]string{line})
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d is no list of RFC 8941: %w", i+1, err))
			continue
		}
		if items += len(members); items > maxConversionItems {
			return nil, []error{fmt.Errorf("the field has more than %d conversions", maxConversionItems)}
		}
		for j, member := range members {
			c, err := parseConversion(member, trusted)
			if err != nil {
				errs = append(errs, fmt.Errorf("line %d, item %d: %w", i+1, j+1, err))
				continue
			}
			list = append(list, c)
		}
	}
	return list, errs
}

func parseConversion(member httpsfv.Member, trusted bool) (c reported, err error) {
	item, single := member.(httpsfv.Item)
	if !single {
		return c, errors.New("it is an inner list")
	}
	kind, isToken := item.Value.(httpsfv.Token)
	if !isToken {
		return c, errors.New("it does not begin with its type, a token")
	}
	c.kind = string(kind)
	texts := map[string]*string{
		"external_id": &c.externalID, "currency": &c.currency, "coupon": &c.coupon, "customer": &c.customer, "name": &c.name,
	}
	if trusted {
		texts["status"] = &c.status
	}
	for _, name := range item.Params.Names() {
		value, _ := item.Params.Get(name)
		to, known := texts[name]
		switch {
		case name == "amount":
			c.amount, err = amountText(value)
		case known:
			*to, err = valueText(value)
		case name == "status":
			err = errors.New("needs the option trusted")
		default:
			err = errors.New("is not a parameter of a conversion")
		}
		if err != nil {
			return c, fmt.Errorf("%.32s: %w", name, err)
		}
	}
	return c, nil
}

// amountText is an amount in decimal digits: a Decimal has at most three places, which a float64 holds exactly; an Integer
// is whole major units; larger and finer ones come as a String.
func amountText(value any) (string, error) {
	switch v := value.(type) {
	case float64:
		return strconv.FormatFloat(v, 'f', 3, 64), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case string:
		if v != "" {
			return v, nil
		}
	}
	return "", errors.New("is neither a number nor a String of one")
}

// valueText is a text: a String, a Token, or a Display String (RFC 9651) for what is not ASCII.
func valueText(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case httpsfv.Token:
		return string(v), nil
	case httpsfv.DisplayString:
		return string(v), nil
	}
	return "", errors.New("is not a String")
}

// takeField removes the field from a header, and what announces or sends a trailer of that name, however they are spelled. It
// returns the field's lines.
func takeField(header http.Header) (lines []string) {
	for name, values := range header {
		switch {
		case strings.EqualFold(name, conversionField):
			lines = append(lines, values...)
			delete(header, name)
		case strings.EqualFold(name, http.TrailerPrefix+conversionField):
			delete(header, name)
		case strings.EqualFold(name, "Trailer"):
			silenceTrailer(header, name)
		}
	}
	return lines
}

// silenceTrailer takes the field out of the announcement of trailers, so that it is not sent as one.
func silenceTrailer(header http.Header, name string) {
	announced := strings.Join(header[name], ",")
	if !strings.Contains(strings.ToLower(announced), strings.ToLower(conversionField)) {
		return
	}
	kept := slices.DeleteFunc(strings.Split(announced, ","), func(field string) bool {
		return strings.EqualFold(strings.TrimSpace(field), conversionField)
	})
	if len(kept) == 0 {
		delete(header, name)
		return
	}
	header[name] = []string{strings.Join(kept, ",")}
}
