package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// makeDir makes a folder, and those above it that are missing, so that a power cut does not take it back.
func makeDir(path string) error {
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeDir(filepath.Dir(path)); err != nil {
			return err
		}
		err = os.Mkdir(path, 0o700)
	}
	if errors.Is(err, fs.ErrExist) {
		info, serr := os.Stat(path)
		if serr == nil && info.IsDir() {
			return nil
		}
	}
	if err != nil {
		return err
	}
	return syncParents(path)
}

// home is the folder that was opened and locked. It is held open, so that no other can be taken for it.
type home struct {
	dir    string
	folder *os.File
	opened fs.FileInfo
}

func openHome(dir string) (home, error) {
	folder, err := os.Open(dir)
	if err != nil {
		return home{}, err
	}
	opened, err := folder.Stat()
	if err != nil {
		return home{}, errors.Join(err, folder.Close())
	}
	return home{dir, folder, opened}, nil
}

func (h home) close() error { return h.folder.Close() }

// check returns ErrGone while the path does not lead to the folder: somebody has moved it or mounted another over it. Nothing
// may be made there meanwhile: a folder made anew would be in the way of the one that comes back, and to another folder the
// lock that is held does not belong (J5).
func (h home) check() error {
	there, err := os.Stat(h.dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	if !os.SameFile(h.opened, there) {
		return fmt.Errorf("%w: %s is another folder now", ErrGone, h.dir)
	}
	return nil
}

// Gone returns ErrGone while the path of the journal does not lead to the folder that was opened. No token can be promised then.
func (j *Journal) Gone() error { return j.home.check() }

// syncParents fsyncs the folders that hold the paths, so that their being there, or not there, is durable.
func syncParents(paths ...string) error {
	for _, path := range paths {
		if err := syncDir(filepath.Dir(path)); err != nil {
			return fmt.Errorf("fsyncing folder %s: %w", filepath.Dir(path), err)
		}
	}
	return nil
}

// newSuffix ends the name of a file that is being written.
const newSuffix = ".new"

// writeFile puts text into a file, whole or not at all, and durably.
func writeFile(path, text string) error {
	tmp := path + newSuffix
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncParents(path)
}
