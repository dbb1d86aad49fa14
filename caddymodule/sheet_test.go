package caddymodule

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func TestSheet(t *testing.T) {
	s, err := readSheet(strings.NewReader("\xef\xbb\xbf code ,affiliate,deep_link_hosts,window\r\n"+
		"summer,\"Sara's, \"\"Blog\"\"\",a.com b.com,7d\r\n\r\n plain ,,,\r\n"), linkColumns, "code")
	if err != nil || len(s.faults) > 0 {
		t.Fatal(err, s.faults)
	}
	if len(s.rows) != 2 || !slices.Equal(s.lines, []int{2, 4}) {
		t.Fatalf("the rows are %+v in lines %v", s.rows, s.lines)
	}
	summer := s.rows[0]
	if summer.Code != "summer" || summer.Affiliate != `Sara's, "Blog"` || !slices.Equal(summer.DeepLinkHosts, []string{"a.com", "b.com"}) ||
		summer.Window != 7*24*time.Hour || s.rows[1].Code != "plain" || s.rows[1].Window != 0 {
		t.Errorf("the rows are %+v", s.rows)
	}
}

func TestSheetsThatCannotBeRead(t *testing.T) {
	for name, c := range map[string]struct{ csv, want string }{
		"empty":     {"", "it is empty"},
		"unknown":   {"name,email\n", "column 2 is none of: id_from_network, name, sites, status"},
		"semicolon": {"name;status\n", "column 1 is none of"},
		"capitals":  {"Name\n", "column 1 is none of"},
		"twice":     {"name,name\n", "the column name is there twice"},
		"missing":   {"status\n", "the column name is missing"},
		"quote":     {"name\n\"planted\n", "line 2: extraneous or missing"},
		"long":      {"name\n" + strings.Repeat("x\n", maxRows+1), "it has more than 100000 rows; send it in parts"},
		"bare":      {"name\nok\npla\"nted\n", "line 3: bare"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readSheet(strings.NewReader(c.csv), affiliateColumns, "name")
			if !errors.Is(err, errSheet) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "planted") {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
		})
	}
}

// A file of nothing but faults takes no more memory than those that are told.
func TestSheetFaultsAreBounded(t *testing.T) {
	s, err := readSheet(strings.NewReader("code,window\n"+strings.Repeat("x\n", 10*maxFaults)), linkColumns, "code")
	if err != nil || len(s.faults) != maxFaults || s.faults[maxFaults-1].Line != maxFaults+1 {
		t.Errorf("%d faults, %v", len(s.faults), err)
	}
}

func TestSheetFaultsNameTheirRow(t *testing.T) {
	s, err := readSheet(strings.NewReader("code,window\na,7d\nb,soon\nc\nd,1d,x\n\"e\ne\",\xff\n"), linkColumns, "code")
	if err != nil {
		t.Fatal(err)
	}
	want := []rowFault{
		{3, "window", "write a duration such as 30d"},
		{4, "", "it has 1 cells, and the first line has 2"},
		{5, "", "it has 3 cells, and the first line has 2"},
		{6, "window", errNotText.Error()},
	}
	if !slices.Equal(s.faults, want) {
		t.Errorf("the faults are %+v", s.faults)
	}
	s.reject([]ledger.RowError{
		{Row: 2, Err: tracker.Invalid{{Field: "code", Message: "bad"}, {Field: "window", Message: "of a cell that could not be read"}}},
		{Row: 1, Err: ledger.ErrExists},
	})
	all := append([]rowFault{{2, "", "exists already"}, want[0], {3, "code", "bad"}}, want[1:]...)
	if !slices.Equal(s.faults, all) {
		t.Errorf("with the ledger's the faults are %+v", s.faults)
	}
}

func FuzzSheet(f *testing.F) {
	f.Add("name,status\nSara,approved\n")
	f.Add("\xef\xbb\xbfname\r\n\"a\r\nb\"\r\n")
	f.Add("name,sites\n\"\",\"a b\"\nx\n")
	f.Add("name\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := readSheet(strings.NewReader(text), affiliateColumns, "name")
		if err != nil {
			if !errors.Is(err, errSheet) {
				t.Fatalf("another error: %v", err)
			}
			return
		}
		if len(s.rows) != len(s.lines) {
			t.Fatalf("%d rows and %d lines", len(s.rows), len(s.lines))
		}
		for i, n := range s.lines {
			if n < 2 || n > strings.Count(text, "\n")+1 || i > 0 && n <= s.lines[i-1] {
				t.Fatalf("the lines are %v", s.lines)
			}
		}
		for _, fault := range s.faults {
			if fault.Line < 2 {
				t.Fatalf("a fault in line %d", fault.Line)
			}
		}
	})
}
