package engine

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func TestWhatIsOlderThanItsRetentionIsForgottenHourly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	synctest.Test(t, func(t *testing.T) {
		l, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		seq := uint64(0)
		add := func(at time.Time) {
			seq++
			s := &ledger.Session{Session: tracker.Session{
				ID: tracker.NewSessionID(at), Network: "default", Code: "demo", Time: at, Class: tracker.ClassHuman,
				IP: "203.0.113.7", UserAgent: "Mozilla/5.0", Query: "via=demo",
			}}
			if _, err := l.Apply(t.Context(), "origin", []ledger.Record{{Seq: seq, Session: s}}); err != nil {
				t.Fatal(err)
			}
		}
		// kept says of each session, newest first, which of its fields are there.
		kept := func() (fields []string) {
			synctest.Wait()
			err := l.Sessions(t.Context(), "", 0, func(s ledger.Session) error {
				text := ""
				for _, f := range []struct{ name, value string }{{"ip ", s.IP}, {"agent ", s.UserAgent}, {"query", s.Query}} {
					if f.value != "" {
						text += f.name
					}
				}
				fields = append(fields, text)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return fields
		}
		add(time.Now().Add(-3 * time.Hour))

		ctx, stop := context.WithCancel(t.Context())
		w := &workers{config: Config{
			Retention: tracker.Retention{IP: 2 * time.Hour, UserAgent: 4 * time.Hour},
			Logger:    slog.New(slog.DiscardHandler),
		}}
		w.done.Go(func() { w.forget(ctx, l) })
		time.Sleep(forgetFirst - time.Second)
		if got := kept(); got[0] != "ip agent query" {
			t.Errorf("before the first pass there is %q", got)
		}
		time.Sleep(2 * time.Second)
		if got := kept(); got[0] != "agent query" {
			t.Errorf("after the first pass there is %q", got)
		}
		add(time.Now())
		time.Sleep(90 * time.Minute)
		if got := kept(); len(got) != 2 || got[0] != "ip agent query" || got[1] != "query" {
			t.Errorf("an hour later there is %q", got)
		}
		time.Sleep(2 * time.Hour)
		if got := kept(); got[0] != "agent query" {
			t.Errorf("another two hours later there is %q", got)
		}
		stop()
		w.done.Wait()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
