package caddy

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	memoryFolder = "/dev/shm"
	memoryNeeded = 4 << 30 // bytes, more than all folders of a package's tests together
)

// InMemory runs the tests of a package whose folders need no real disk, with their temporary folders in memory where there is
// room. A click gets its token only if its record is on the disk within 25 ms, and a disk that a hundred processes write to at
// once may take longer: that is right for a site, and would fail a test that asks for something else.
func InMemory(m *testing.M) int {
	var room unix.Statfs_t
	if unix.Statfs(memoryFolder, &room) == nil && room.Bavail*uint64(room.Bsize) >= memoryNeeded {
		os.Setenv("TMPDIR", memoryFolder)
	}
	return m.Run()
}
