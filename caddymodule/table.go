package caddymodule

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/caddy-affiliate/caddy-affiliate/engine"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const (
	// widest is how many characters of one value a table shows; --json shows all of it.
	widest = 48

	// tableRows is how many rows are aligned together, so that a long list is printed as it comes.
	tableRows = 100
)

// table prints rows in aligned columns.
type table struct {
	*tabwriter.Writer
	rows     int
	wholeEnd bool // the last column is not cut
}

func newTable(w io.Writer, head ...string) *table {
	t := &table{Writer: tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)}
	fmt.Fprintln(t, strings.Join(head, "\t"))
	return t
}

func (t *table) row(values ...any) error {
	cells := make([]string, len(values))
	for i, v := range values {
		width := widest
		if t.wholeEnd && i == len(values)-1 {
			width = math.MaxInt
		}
		cells[i] = cell(fmt.Sprint(v), width)
	}
	if _, err := fmt.Fprintln(t, strings.Join(cells, "\t")); err != nil {
		return err
	}
	if t.rows++; t.rows%tableRows == 0 {
		return t.Flush()
	}
	return nil
}

// printable makes text fit for a terminal. Visitors choose some of it, so nothing may move the cursor or turn the writing
// direction: white space becomes a space, and what else does not print U+FFFD.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsPrint(r):
			return r
		case unicode.IsSpace(r):
			return ' '
		}
		return unicode.ReplacementChar
	}, s)
}

// cell is printable text, cut to the width of a column.
func cell(s string, width int) string {
	s = printable(s)
	if s == "" {
		return "-"
	}
	if runes := []rune(s); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return s
}

// decode reads one JSON value and what is left behind it.
func decode(body io.Reader, v any) error {
	if err := json.NewDecoder(body).Decode(v); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return nil
}

// decodeEach reads a JSON array one element at a time.
func decodeEach[T any](body io.Reader, each func(T) error) error {
	d := json.NewDecoder(body)
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	for d.More() {
		var element T
		if err := d.Decode(&element); err != nil {
			return fmt.Errorf("reading the answer: %w", err)
		}
		if err := each(element); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	_, err := io.Copy(io.Discard, body)
	return err
}

// facts prints what is known of one thing, a name and a value in each line. What is empty is left out.
type facts struct{ *tabwriter.Writer }

func newFacts(w io.Writer) facts { return facts{tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)} }

func (f facts) add(name string, value any) {
	if text := printable(fmt.Sprint(value)); text != "" {
		fmt.Fprintf(f, "%s\t%s\n", printable(name), text) // Flush reports what fails
	}
}

// timeFormat is RFC 3339 with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

func timeText(t time.Time) string { return t.UTC().Format(timeFormat) }

// moneyText writes minor units for people: 99.90 EUR.
func moneyText(amount int64, currency string) string {
	return printable(tracker.FormatAmount(amount, currency) + " " + currency)
}

func linkTable(w io.Writer, body io.Reader) error {
	t := newTable(w, "ID", "CODE", "AFFILIATE", "DESTINATION", "SUBDOMAIN", "STATE", "SOURCE", "NETWORK")
	err := decodeEach(body, func(l linkJSON) error {
		return t.row(l.ID, l.Code, l.Affiliate, l.Destination, l.Subdomain, l.state(), l.Source, l.Network)
	})
	if err != nil {
		return err
	}
	return t.Flush()
}

func auditTable(w io.Writer, body io.Reader, audit *engine.Audit) error {
	if err := decode(body, audit); err != nil {
		return err
	}
	t := newTable(w, "ORIGIN", "WHERE", "ISSUED", "APPLIED", "QUARANTINED", "LOST", "JOURNALLED", "REPEATED", "BALANCED")
	for _, o := range audit.Origins {
		if err := t.row(o.Origin, o.Where, o.Issued, o.Applied, o.Quarantined, o.Lost, o.Journalled, o.Repeated, yes(o.Balanced)); err != nil {
			return err
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if audit.WrongSums != nil {
		if _, err := fmt.Fprintf(w, "wrong sums: %d\n", *audit.WrongSums); err != nil {
			return err
		}
	}
	if audit.Trouble != "" {
		if _, err := fmt.Fprintln(w, printable(audit.Trouble)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "balanced: %s\n", yes(audit.Balanced))
	return err
}

func healthTable(w io.Writer, body io.Reader) error {
	var health engine.Health
	if err := decode(body, &health); err != nil {
		return err
	}
	t := newTable(w, "PART", "STATUS", "DETAIL")
	for _, part := range []struct {
		name string
		engine.Part
	}{{"journal", health.Journal}, {"relay", health.Relay}, {"ledger", health.Ledger}, {"apply", health.Apply}} {
		fmt.Fprintf(t, "%s\t%s\t%s\n", part.name, part.Status, printable(part.Detail)) // Flush reports what fails
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "status: %s, %s\n", health.Status, numbered(int64(health.Links), "link", "links"))
	return err
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// yes makes a no stand out.
func yes(b bool) string {
	if b {
		return "yes"
	}
	return "NO"
}
