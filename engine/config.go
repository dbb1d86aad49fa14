// Package engine builds what runs behind the directives and owns it for the life of the process: the journal, the relay,
// the ledger, the link table and the workers between them. It knows nothing of Caddy.
package engine

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// DefaultRetain is how far the ledger may fall back (a failover, a restored backup) without a record being lost.
const DefaultRetain = 24 * time.Hour

// MinRetain is the shortest retention. Without any, a commit that the ledger forgets would be lost for good.
const MinRetain = time.Second

// MinMaxBytes is the least that a journal can work with.
const MinMaxBytes = journal.MinBytes

// The kinds of ledger.
const (
	LedgerSQLite   = "sqlite"
	LedgerPostgres = "postgres"
	LedgerNone     = "none" // an edge that only ships; needs Redis
)

// Config is everything an engine is told.
type Config struct {
	Dir          string                  // the journal's folder
	MaxBytes     int64                   // cap of the journal on disk; 0: 1 GiB
	SegmentBytes int64                   // 0: 64 MiB
	Retain       time.Duration           // 0: DefaultRetain
	Redis        *redis.UniversalOptions // nil: apply reads the journal itself
	Ledger       Ledger
	Links        []ledger.NewLink  // the configuration's own links
	Terms        tracker.Terms     // the rules of the books
	Retention    tracker.Retention // how long the books keep what tells of visitors; zero: for ever
	Outlets      []forward.Outlet  // the destinations of what happens in the books; they need a ledger
	Logger       *slog.Logger
}

// Ledger says where the books are kept.
type Ledger struct {
	Kind string // "": LedgerSQLite
	Path string // of the SQLite file; "": ledger.db in the journal's folder
	DSN  string // of PostgreSQL; never logged
}

func (c Config) withDefaults() Config {
	if c.Retain == 0 {
		c.Retain = DefaultRetain
	}
	if c.Ledger.Kind == "" {
		c.Ledger.Kind = LedgerSQLite
	}
	if c.Ledger.Kind == LedgerSQLite && c.Ledger.Path == "" {
		c.Ledger.Path = filepath.Join(c.Dir, "ledger.db")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// validate returns what is wrong with a configuration by itself.
func (c Config) validate() error {
	switch {
	case c.Dir == "":
		return fmt.Errorf("the journal needs a folder")
	case c.MaxBytes != 0 && c.MaxBytes < MinMaxBytes:
		return fmt.Errorf("the journal's max_size is %d bytes; it must be at least %d, or no click finds a place", c.MaxBytes, MinMaxBytes)
	case c.Retain < MinRetain:
		return fmt.Errorf("retain is %s; it must be at least %s, or what the ledger forgets is lost", c.Retain, MinRetain)
	case c.Ledger.Kind == LedgerPostgres && c.Ledger.DSN == "":
		return fmt.Errorf("ledger postgres needs a connection string")
	case c.Ledger.Kind == LedgerNone && len(c.Outlets) > 0:
		return fmt.Errorf("forward needs a ledger; configure destinations on the hubs")
	case c.Ledger.Kind == LedgerNone && c.Redis == nil:
		return fmt.Errorf("ledger none needs redis, or no record would ever leave this node")
	}
	switch c.Ledger.Kind {
	case LedgerSQLite, LedgerPostgres, LedgerNone:
		return nil
	}
	return fmt.Errorf("no ledger is called %q; there are sqlite, postgres and none", c.Ledger.Kind)
}

// compatible returns why a running engine cannot go over from c to next.
func (c Config) compatible(next Config) error {
	if filepath.Clean(next.Dir) != filepath.Clean(c.Dir) {
		return fmt.Errorf("the journal's path changed from %s to %s; that needs a restart of Caddy", c.Dir, next.Dir)
	}
	if next.MaxBytes != c.MaxBytes || next.SegmentBytes != c.SegmentBytes {
		return fmt.Errorf("the journal's sizes changed; that needs a restart of Caddy")
	}
	return nil
}

// sameWorkers reports whether the workers of c serve next as well.
func (c Config) sameWorkers(next Config) bool {
	a, b := c, next
	a.Logger, b.Logger = nil, nil
	a.Outlets, b.Outlets = nil, nil
	return reflect.DeepEqual(a, b) && slices.EqualFunc(c.Outlets, next.Outlets, forward.Outlet.Same)
}

func (c Config) journalOptions() journal.Options {
	return journal.Options{MaxBytes: c.MaxBytes, SegmentBytes: c.SegmentBytes, Logger: c.Logger}
}
