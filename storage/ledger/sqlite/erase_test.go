package sqlite

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/ledgertest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// What was erased, and what was forgotten for its age, is not in the ledger's files any more, its log included.
func TestErasedBytesAreGone(t *testing.T) {
	dir := t.TempDir()
	l := open(t, filepath.Join(dir, "ledger.db"))
	defer l.Close()
	erased, old, kept := ledgertest.Sessions(1, 1000), ledgertest.Sessions(1001, 3000), ledgertest.Sessions(4001, 1000)
	visitor := tracker.NewVisitorID()
	for i := range erased {
		erased[i].Session.Visitor, erased[i].Session.IP, erased[i].Session.UserAgent = visitor, "192.0.2.99", "erased agent"
	}
	for i := range old {
		old[i].Session.Time, old[i].Session.IP = old[i].Session.Time.AddDate(-1, 0, 0), "192.0.2.77"
	}
	for i := range kept {
		kept[i].Session.IP = "192.0.2.200"
	}
	all := append(append(erased, old...), kept...)
	if _, err := l.Apply(t.Context(), "origin", all); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Forget(t.Context(), tracker.Retention{IP: time.Since(kept[0].Session.Time) + 24*time.Hour}); err != nil {
		t.Fatal(err)
	}
	done, err := l.Erase(t.Context(), tracker.DefaultNetwork, tracker.Subject{Visitor: visitor})
	if err != nil || done.Sessions != 1000 {
		t.Fatalf("erased %+v, %v", done, err)
	}
	var files []byte
	for _, name := range []string{"ledger.db", "ledger.db-wal"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, data...)
	}
	for _, text := range []string{"192.0.2.99", "192.0.2.77", "erased agent", visitor.String()} {
		if n := bytes.Count(files, []byte(text)); n > 0 {
			t.Errorf("%q is there %d times", text, n)
		}
	}
	if !bytes.Contains(files, []byte("192.0.2.200")) {
		t.Error("what nobody erased is gone as well")
	}
}
