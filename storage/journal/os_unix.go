//go:build !windows

package journal

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile takes the lock that the file stands for, until it is closed. It returns ErrLocked when somebody has it.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrLocked
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// linked tells whether the open file still has a name, its path still leads to it, and it has that size. Where locks do not
// work (NFS, some shared volumes) another process may have taken its folder for an abandoned one; a folder may have been moved,
// or another mounted over it. It is asked after each fsync, since only so no token leaves for a record that a restart would not
// find; it costs a few µs, an fsync fifty and more.
func linked(f *os.File, size int64) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if st.Nlink == 0 {
		return errors.New("somebody has removed the file")
	}
	if st.Size < size {
		return fmt.Errorf("somebody has cut the file from %d to %d bytes", size, st.Size)
	}
	var there unix.Stat_t
	if err := unix.Stat(f.Name(), &there); err != nil {
		return fmt.Errorf("%w: looking for the file: %w", ErrGone, err)
	}
	if there.Dev != st.Dev || there.Ino != st.Ino {
		return fmt.Errorf("%w: its path leads to another file", ErrGone)
	}
	return nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// diskFull tells a disk or a quota that is used up from other failures.
func diskFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }
