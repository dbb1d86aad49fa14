package engine

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// savedLinks writes a snapshot of n links, /0 to /n-1, and returns its text.
func savedLinks(t testing.TB, dir string, n int) []byte {
	t.Helper()
	s := snapshot{Version: 7, Config: []ledger.LinkID{{Network: "default", Code: "l0"}}}
	for i := range n {
		s.Links = append(s.Links, tracker.Link{
			Network: "default", Code: fmt.Sprintf("l%d", i), Affiliate: "Ann & <Söhne>", Destination: fmt.Sprintf("https://shop.test/%d", i), Active: true,
		})
	}
	if err := writeSnapshot(dir, s); err != nil {
		t.Fatal(err)
	}
	got, damaged, err := readSnapshot(dir)
	if err != nil || damaged != 0 || !reflect.DeepEqual(got, s) {
		t.Fatalf("written was %+v, read is %+v, %d damaged, %v", s, got, damaged, err)
	}
	data, err := os.ReadFile(filepath.Join(dir, snapshotName))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func damagedCount(t *testing.T) float64 {
	t.Helper()
	var out dto.Metric
	if err := snapshotDamaged.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.GetCounter().GetValue()
}

// A node whose stores are away starts with the links of a damaged snapshot, as far as they can be read. It counts the others,
// and says so once, also when the ledger is there and the snapshot is written anew.
func TestADamagedSnapshotIsRecovered(t *testing.T) {
	const n = 9
	for name, test := range map[string]struct {
		harm        func(text []byte) []byte
		lost        []string
		damaged     float64
		lostVersion bool
	}{
		"cut in the middle":     {func(b []byte) []byte { return b[:bytes.Index(b, []byte("shop.test/5"))] }, []string{"l5", "l6", "l7", "l8"}, 4, false},
		"a letter changed":      {func(b []byte) []byte { return bytes.Replace(b, []byte("shop.test/4"), []byte("shoq.test/4"), 1) }, []string{"l4"}, 1, false},
		"two lines become one":  {func(b []byte) []byte { b[bytes.LastIndexByte(b[:len(b)-1], '\n')] = ' '; return b }, []string{"l7", "l8"}, 2, false},
		"its first line zeroed": {func(b []byte) []byte { clear(b[:bytes.IndexByte(b, '\n')]); return b }, nil, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, snapshotName), test.harm(savedLinks(t, dir, n)), 0o600); err != nil {
				t.Fatal(err)
			}
			before := damagedCount(t)
			var log strings.Builder
			c := Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))}
			table := startLinks(c)
			if got := damagedCount(t) - before; got != test.damaged {
				t.Errorf("%v entries are counted as damaged, want %v", got, test.damaged)
			}
			if table.Len() != n-len(test.lost) || (table.Version() == 7) == test.lostVersion {
				t.Errorf("%d links of version %d were recovered", table.Len(), table.Version())
			}
			for _, code := range test.lost {
				if table.Lookup("default", code) != nil {
					t.Errorf("%s was recovered from damage", code)
				}
			}
			if l := table.Lookup("default", "l1"); l == nil || l.Destination != "https://shop.test/1" {
				t.Errorf("recovered was %+v", l)
			}
			w := &workers{config: c.withDefaults(), engine: New()}
			w.changeSnapshot(func(s *snapshot) { s.Version = 8 })
			if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "damaged") {
				t.Errorf("the log has %d lines:\n%s", n, &log)
			}
			if _, damaged, err := readSnapshot(dir); damaged != 0 || err != nil {
				t.Errorf("written anew it has %d damaged entries, %v", damaged, err)
			}
		})
	}
}

// Whatever is in the file, what is read of it is what was written.
func FuzzReadSnapshot(f *testing.F) {
	dir := f.TempDir()
	text := savedLinks(f, dir, 3)
	f.Add(text)
	f.Add(text[:len(text)/2])
	f.Add([]byte("{}\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, snapshotName), data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, damaged, err := readSnapshot(dir)
		if err != nil || damaged < 0 {
			t.Fatal(damaged, err)
		}
		if err := writeSnapshot(dir, s); err != nil {
			t.Fatal(err)
		}
		again, damaged, err := readSnapshot(dir)
		if err != nil || damaged != 0 || len(again.Links) != len(s.Links) || again.Version != s.Version {
			t.Errorf("%+v became %+v, %d damaged, %v", s, again, damaged, err)
		}
	})
}
