package journal

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// datasync fsyncs the file without its times, which nobody reads and which would cost a second write.
func datasync(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
