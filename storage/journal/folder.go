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

// syncParents fsyncs the folders that hold the paths, so that their being there, or not there, is durable.
func syncParents(paths ...string) error {
	for _, path := range paths {
		if err := syncDir(filepath.Dir(path)); err != nil {
			return fmt.Errorf("fsyncing folder %s: %w", filepath.Dir(path), err)
		}
	}
	return nil
}

// writeFile puts text into a file, whole or not at all, and durably.
func writeFile(path, text string) error {
	tmp := path + ".new"
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
