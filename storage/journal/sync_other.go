//go:build !linux

package journal

import "os"

// datasync fsyncs the file. On macOS Go asks for F_FULLFSYNC, without which the disk's own cache may still lose it.
func datasync(f *os.File) error { return f.Sync() }
