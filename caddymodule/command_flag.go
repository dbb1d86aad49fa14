package caddymodule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// flagError says what a flag takes. Unlike the parsers of Go it is written for people.
type flagError string

func (e flagError) Error() string { return string(e) }

// flagFault leaves out what the flags' package says around a flagError.
func flagFault(_ *cobra.Command, err error) error {
	var fault flagError
	if errors.As(err, &fault) {
		return fault
	}
	return err
}

// flagOf adds a flag whose value parse reads; takes ends the sentence "--name takes …".
func flagOf(cmd *cobra.Command, name, usage, takes string, parse func(string) error) {
	cmd.Flags().Func(name, usage, func(s string) error {
		if err := parse(s); err != nil {
			return flagError(fmt.Sprintf("--%s takes %s, not %q", name, takes, s))
		}
		return nil
	})
}

// checkedFlag adds a flag whose text has to pass a check; takes ends the sentence "--name takes …".
func checkedFlag(cmd *cobra.Command, name, usage, takes string, check func(string) bool) *string {
	var value string
	flagOf(cmd, name, usage, takes, func(s string) error {
		if !check(s) {
			return strconv.ErrSyntax
		}
		value = s
		return nil
	})
	return &value
}

// numberFlag adds a flag that takes a whole number, at least least.
func numberFlag(cmd *cobra.Command, name string, value, least int, usage string) *int {
	flagOf(cmd, name, usage, fmt.Sprintf("a whole number from %d", least), func(s string) (err error) {
		n, err := strconv.Atoi(s)
		if err == nil && n < least {
			err = strconv.ErrRange
		}
		value = n
		return err
	})
	return &value
}

// limitFlag adds the flag of a list.
func limitFlag(cmd *cobra.Command) *int {
	return numberFlag(cmd, "limit", defaultSessions, 0, fmt.Sprintf("How many, as a `NUMBER`; 0 for all (default %d)", defaultSessions))
}

// durationFlag adds a flag that takes a duration such as 30d, which it gives in seconds.
func durationFlag(cmd *cobra.Command, name, usage string) *tracker.Seconds {
	var value tracker.Seconds
	flagOf(cmd, name, usage, "a duration such as 30d or 12h", func(s string) error {
		d, err := caddy.ParseDuration(s)
		value = tracker.Seconds(d / time.Second)
		return err
	})
	return &value
}

// timeFlag adds a flag that takes a day or a time.
func timeFlag(cmd *cobra.Command, name, usage string) *time.Time {
	var value time.Time
	flagOf(cmd, name, usage, "a day such as 2026-01-31 (UTC) or a time such as 2026-01-31T12:00:00Z", func(s string) (err error) {
		value, err = parseTime(s)
		return err
	})
	return &value
}

// parseTime reads a day in UTC, or a time as RFC 3339 writes it.
func parseTime(s string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		return day, nil
	}
	return time.Parse(time.RFC3339, s)
}

// commissionFlag adds the flag that says what a campaign pays. It may be given several times.
func commissionFlag(cmd *cobra.Command) *[]tracker.Commission {
	var value []tracker.Commission
	flagOf(cmd, "commission", "What is paid, as `NAME=12.5%` or NAME=5.00EUR; may be repeated", "NAME=12.5% or NAME=5.00EUR",
		func(s string) error {
			commission, err := parseCommission(s)
			value = append(value, commission)
			return err
		})
	return &value
}

var errCommission = errors.New("no commission")

func parseCommission(s string) (tracker.Commission, error) {
	name, pays, found := strings.Cut(s, "=")
	if !found || name == "" || len(pays) < 2 {
		return tracker.Commission{}, errCommission
	}
	c := tracker.Commission{Name: name}
	var err error
	if share, found := strings.CutSuffix(pays, "%"); found {
		c.Percent, err = tracker.ParsePercent(share)
		return c, err
	}
	if len(pays) < 4 {
		return c, errCommission
	}
	amount, currency := pays[:len(pays)-3], strings.ToUpper(pays[len(pays)-3:])
	c.Fixed = &tracker.Money{Currency: currency}
	c.Fixed.Amount, err = tracker.ParseAmount(amount, currency)
	return c, err
}

// couponFlag adds the flag of a campaign's coupons. It may be given several times.
func couponFlag(cmd *cobra.Command) *[]tracker.Coupon {
	var value []tracker.Coupon
	flagOf(cmd, "coupon", "A coupon and whom it tells of, as `CODE=AFFILIATE_ID`; may be repeated", "CODE=AFFILIATE_ID, the id a number",
		func(s string) error {
			code, id, _ := strings.Cut(s, "=")
			affiliate, err := strconv.ParseInt(id, 10, 64)
			value = append(value, tracker.Coupon{Code: code, AffiliateID: affiliate})
			return err
		})
	return &value
}

// changes collects what the flags that were given say, under the API's names.
type changes map[string]any

// given adds a value if its flag was given.
func (c changes) given(cmd *cobra.Command, flag, field string, value any) {
	if cmd.Flags().Changed(flag) {
		c[field] = value
	}
}
