package tracker

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestParsePercent(t *testing.T) {
	for text, want := range map[string]Percent{
		"0": 0, "0.0": 0, "1": 10_000, "12.5": 125_000, "12.50": 125_000, "012.5": 125_000, "100": Hundred, "100.0000": Hundred,
		"0.0001": 1, "33.3333": 333_333, "99.9999": Hundred - 1,
	} {
		if got, err := ParsePercent(text); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", " 1", "1 ", "-1", "+1", "1.", ".5", "100.0001", "101", "1000", "0.00001", "1e1", "1e400", "NaN", "12,5", "12.5%", "1e2000000000", "٥",
		strings.Repeat("9", 1<<16),
	} {
		if got, err := ParsePercent(text); !errors.Is(err, ErrPercent) {
			t.Errorf("%.20q is %d, %v", text, got, err)
		}
	}
}

func TestPercentComesBack(t *testing.T) {
	for p := Percent(0); p <= Hundred; p += 7 {
		if got, err := ParsePercent(p.String()); err != nil || got != p {
			t.Fatalf("%d is written %s, which is %d, %v", p, p, got, err)
		}
	}
}

func TestPercentInJSON(t *testing.T) {
	text, err := json.Marshal(Commission{Name: "default", Percent: 125_000})
	if err != nil || string(text) != `{"name":"default","percent":"12.5"}` {
		t.Errorf("%s, %v", text, err)
	}
	var c Commission
	if err := json.Unmarshal(text, &c); err != nil || c.Percent != 125_000 {
		t.Errorf("%+v, %v", c, err)
	}
	for _, bad := range []string{`{"percent":"101"}`, `{"percent":12.5}`, `{"percent":""}`} {
		if err := json.Unmarshal([]byte(bad), &c); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

func FuzzParsePercent(f *testing.F) {
	for _, text := range []string{"0", "12.5", "100", "100.0001", "33.3333", "1e400", "NaN", "-1", "٣"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePercent(text)
		if err != nil {
			return
		}
		if p < 0 || p > Hundred {
			t.Errorf("%d is out of bounds", p)
		}
		if again, err := ParsePercent(p.String()); err != nil || again != p {
			t.Errorf("%d comes back as %d, %v", p, again, err)
		}
	})
}
