package servers

import "syscall"

// dieWithParent makes the kernel send sig to the process when the test binary is gone, however it went.
func dieWithParent(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }
