package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"os"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
)

// place knows the ledger's files by what they were when they had been opened. They are only looked at: opening and closing one
// would end the locks that this process has on it. A connection that nobody uses holds them open, so that no other file can be
// given their number, and SQLite does not make a new log after it dropped all the others, as it drops one that was interrupted.
type place struct {
	path   string
	held   *sql.DB
	opened fs.FileInfo // the file itself; nil until look
	log    fs.FileInfo // its write-ahead log, which lives as long as any connection; nil on a file system that allows none
}

// hold opens the connection and notes the files as they are.
func (p *place) hold(ctx context.Context) (err error) {
	if p.held, err = sql.Open("sqlite", readerDSN(p.path)); err != nil {
		return err
	}
	p.held.SetMaxOpenConns(1)
	var tables int
	err = p.held.QueryRowContext(context.WithoutCancel(ctx), `SELECT count(*) FROM sqlite_schema`).Scan(&tables)
	if err != nil {
		return err
	}
	opened, err := os.Stat(p.path)
	if err != nil {
		return err
	}
	p.opened = opened
	if log, err := os.Stat(p.path + logSuffix); err == nil {
		p.log = log
	}
	return nil
}

func (p *place) release() error {
	if p.held == nil {
		return nil
	}
	return p.held.Close()
}

// gone returns ledger.ErrGone while the files are not in their place.
func (p *place) gone() error {
	if p.opened == nil {
		return nil
	}
	if err := same(p.opened, p.path); err != nil || p.log == nil {
		return err
	}
	return same(p.log, p.path+logSuffix)
}

// logSuffix is what SQLite adds to the file's name for its write-ahead log.
const logSuffix = "-wal"

func same(opened fs.FileInfo, path string) error {
	there, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ledger.ErrGone, err)
	}
	if !os.SameFile(opened, there) {
		return fmt.Errorf("%w: %s is another file", ledger.ErrGone, path)
	}
	return nil
}
