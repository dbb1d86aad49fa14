//go:build unix && !linux

package servers

import "syscall"

// dieWithParent does nothing: only Linux has a parent-death signal. A test binary that is killed leaves its servers.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
