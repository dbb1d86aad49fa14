package main

import (
	"os"

	"golang.org/x/sys/unix"
)

const (
	memoryFolder = "/dev/shm"
	memoryNeeded = 6 << 30 // bytes, more than the folders of all tests that run at once
)

// inMemory is the environment of tests that need no real disk: their temporary folders are in memory, where there is room. They
// fsync by the thousand, and a busy disk takes its time for each.
func inMemory() []string {
	var room unix.Statfs_t
	if unix.Statfs(memoryFolder, &room) != nil || room.Bavail*uint64(room.Bsize) < memoryNeeded {
		return nil
	}
	return []string{"TMPDIR=" + memoryFolder, "GOTMPDIR=" + os.TempDir()} // what is built stays on the disk
}
