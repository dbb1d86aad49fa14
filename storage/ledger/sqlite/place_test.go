//go:build unix

package sqlite

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/ledgertest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// What is booked into a file that no restart would find is booked nowhere: the ledger refuses it, and lets no journal forget on
// the word of such a file. With the files back in their place it goes on.
func TestFilesThatAreNotInTheirPlace(t *testing.T) {
	for name, test := range map[string]struct {
		harm func(path string) error
		mend func(path string) error // nil: only a restart helps
	}{
		"removed":           {func(path string) error { return errors.Join(os.Remove(path), os.Remove(path+"-wal")) }, nil},
		"file removed":      {os.Remove, nil},
		"log removed":       {func(path string) error { return os.Remove(path + "-wal") }, nil},
		"another file":      {func(path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)) }, nil},
		"moved and back":    {func(path string) error { return os.Rename(path, path+".away") }, func(path string) error { return os.Rename(path+".away", path) }},
		"its folder, moved": {func(path string) error { return os.Rename(filepath.Dir(path), filepath.Dir(path)+".away") }, func(path string) error { return os.Rename(filepath.Dir(path)+".away", filepath.Dir(path)) }},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "books", "ledger.db")
			l := open(t, path)
			defer l.Close()
			ctx, records := t.Context(), ledgertest.Sessions(1, 20)
			if _, err := l.Apply(ctx, "origin", records[:10]); err != nil {
				t.Fatal(err)
			}
			if err := test.harm(path); err != nil {
				t.Fatal(err)
			}
			_, apply := l.Apply(ctx, "origin", records[10:])
			_, mark := l.WriteMark(ctx, time.Now(), time.Hour)
			_, settled := l.Settled(ctx)
			_, link := l.AddLink(ctx, ledger.NewLink{Network: tracker.DefaultNetwork, Code: "late"})
			for what, err := range map[string]error{
				"applying": apply, "writing a mark": mark, "reading what is settled": settled, "adding a link": link, "a ping": l.Ping(ctx),
			} {
				if !errors.Is(err, ledger.ErrGone) || !errors.Is(err, tracker.ErrAway) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if test.mend == nil {
				return
			}
			if err := test.mend(path); err != nil {
				t.Fatal(err)
			}
			if done, err := l.Apply(ctx, "origin", records[10:]); err != nil || done.Cursor != 20 {
				t.Errorf("with the file back: %+v, %v", done, err)
			}
			if _, err := l.Settled(ctx); err != nil || l.Ping(ctx) != nil {
				t.Errorf("with the file back: %v, %v", err, l.Ping(ctx))
			}
		})
	}
}

// The driver drops a connection whose work was interrupted, and with the last one SQLite removes the log. That must not look as
// if somebody had removed it.
func TestTheLogOutlivesOtherConnections(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	open(t, path).Close()
	db, err := sql.Open("sqlite", writerDSN(path))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(); err != nil {
		t.Fatal(err)
	}
	p := &place{path: path}
	if err := p.hold(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer p.release()
	if p.log == nil {
		t.Fatal("the log is not known")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.gone(); err != nil {
		t.Error(err)
	}
}
