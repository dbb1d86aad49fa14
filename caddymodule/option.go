package caddymodule

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"
)

// parsers has one parser for each option of a block. It is called with the option's name as the current token.
type parsers map[string]func(d *caddyfile.Dispenser) error

// parseBlock reads a block if one follows, and returns how many options it had. An option that is not repeatable is
// refused the second time.
func parseBlock(d *caddyfile.Dispenser, options parsers, repeatable ...string) (int, error) {
	seen := map[string]bool{}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		parse, known := options[name]
		if !known {
			return 0, d.Errf("unrecognized option %q", name)
		}
		if seen[name] && !slices.Contains(repeatable, name) {
			return 0, d.Errf("the option %s is given twice", name)
		}
		seen[name] = true
		if err := parse(d); err != nil {
			return 0, err
		}
	}
	return len(seen), nil
}

// parseSubBlock reads an option that is a block and nothing else.
func parseSubBlock(d *caddyfile.Dispenser, options parsers, repeatable ...string) error {
	name := d.Val()
	if d.NextArg() {
		return d.Errf("the option %s takes a block and no value", name)
	}
	count, err := parseBlock(d, options, repeatable...)
	if err == nil && count == 0 {
		return d.Errf("the option %s needs a block that says what it is", name)
	}
	return err
}

// both parses an option and then checks what it led to, while the error still names the option's line.
func both(parse, check func(*caddyfile.Dispenser) error) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		if err := parse(d); err != nil {
			return err
		}
		return check(d)
	}
}

// wrapErr gives an error the current file and line; no error stays none.
func wrapErr(d *caddyfile.Dispenser, err error) error {
	if err == nil {
		return nil
	}
	return d.WrapErr(err)
}

// text parses an option of exactly one argument, which is not empty. The error does not repeat the argument: it may be a
// password.
func text(to *string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		if !d.AllArgs(to) || *to == "" {
			return d.Errf("the option %s takes exactly one value", name)
		}
		return nil
	}
}

// texts parses an option of one or more arguments.
func texts(to *[]string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		*to = d.RemainingArgs()
		if len(*to) == 0 || slices.Contains(*to, "") {
			return d.Errf("the option %s takes one or more values", name)
		}
		return nil
	}
}

// word parses an option of one argument out of a closed list.
func word[T ~string](to *T, words ...T) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		var given string
		if err := text(&given)(d); err != nil {
			return err
		}
		*to = T(given)
		if !slices.Contains(words, *to) {
			return d.Errf("%q is not one of: %s", given, listed(words))
		}
		return nil
	}
}

// wordList parses an option of one or more arguments out of a closed list.
func wordList[T ~string](to *[]T, words ...T) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		var given []string
		if err := texts(&given)(d); err != nil {
			return err
		}
		for _, w := range given {
			if !slices.Contains(words, T(w)) {
				return d.Errf("%q is not one of: %s", w, listed(words))
			}
			*to = append(*to, T(w))
		}
		return nil
	}
}

// perSecond parses a rate such as 50/s.
func perSecond(to *float64) func(*caddyfile.Dispenser) error {
	return parsed(func(s string) (err error) {
		if *to, err = strconv.ParseFloat(strings.TrimSuffix(s, "/s"), 64); err != nil || !(*to > 0 && *to <= 1e6) {
			return errors.New("write a number of attempts per second, such as 50/s")
		}
		return nil
	})
}

// listed is the words with commas between.
func listed[T ~string](words []T) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	return strings.Join(texts, ", ")
}

// flag parses an option without arguments.
func flag(to *bool) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		if name := d.Val(); d.NextArg() {
			return d.Errf("the option %s takes no value", name)
		}
		*to = true
		return nil
	}
}

var errDuration = errors.New("write a duration such as 30d, 12h or 90s")

func duration(to *caddy.Duration) func(*caddyfile.Dispenser) error {
	return parsed(func(s string) error {
		value, err := caddy.ParseDuration(s)
		switch {
		case err != nil:
			return errDuration
		case value <= 0:
			return errors.New("it is not longer than zero")
		}
		*to = caddy.Duration(value)
		return nil
	})
}

// age parses a duration that may be given in years of 365 days as well.
func age(to *caddy.Duration) func(*caddyfile.Dispenser) error {
	return parsed(func(s string) error {
		if years, found := strings.CutSuffix(s, "y"); found {
			n, err := strconv.Atoi(years)
			if err != nil || n < 1 || n > 100 {
				return errors.New("write 1y to 100y, or a duration such as 90d")
			}
			*to = caddy.Duration(time.Duration(n) * 365 * 24 * time.Hour)
			return nil
		}
		value, err := caddy.ParseDuration(s)
		switch {
		case err != nil:
			return errDuration
		case value < minRetention:
			return errShortRetention
		}
		*to = caddy.Duration(value)
		return nil
	})
}

func size(to *int64) func(*caddyfile.Dispenser) error {
	return parsed(func(s string) error {
		bytes, err := humanize.ParseBytes(s)
		if err != nil || bytes == 0 || bytes > 1<<62 {
			return errors.New("write a size such as 64MiB, 1GiB or 500MB")
		}
		*to = int64(bytes)
		return nil
	})
}

func number(to *int) func(*caddyfile.Dispenser) error {
	return parsed(func(s string) (err error) {
		if *to, err = strconv.Atoi(s); err != nil {
			return errors.New("write a whole number")
		}
		return nil
	})
}

// parsed parses an option of one argument that is no text.
func parsed(set func(string) error) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		var value string
		if err := text(&value)(d); err != nil {
			return err
		}
		if err := set(value); err != nil {
			return d.Errf("%s %q: %v", name, value, err)
		}
		return nil
	}
}
