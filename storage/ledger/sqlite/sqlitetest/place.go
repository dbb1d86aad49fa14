package sqlitetest

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite"
)

// Place puts a file of empty books at path, for whoever opens it next, unless there is one. Opening it is twenty times as fast as
// making the tables, which takes a second with the race detector. The books get their id from who opens them, as new ones do.
func Place(t testing.TB, path string) {
	t.Helper()
	books, err := emptyBooks()
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = write(path, books)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatalf("placing empty books: %v", err)
	}
}

func write(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}

// emptyBooks are made once in a process.
var emptyBooks = sync.OnceValues(func() (books []byte, err error) {
	dir, err := os.MkdirTemp("", "books")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "ledger.db")
	l, err := sqlite.Open(context.Background(), path)
	if err != nil {
		return nil, err
	}
	if err := l.Close(); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return nil, err
	}
	_, err = db.Exec(`DELETE FROM meta`) // the id
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})
