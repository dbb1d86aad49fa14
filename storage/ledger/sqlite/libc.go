package sqlite

import (
	"fmt"
	"runtime/debug"
)

// SQLite here is C translated to Go, and works only with the very version of modernc.org/libc that its own go.mod names
// (its documentation says so). Another plugin in the same build may have raised it.
const (
	sqliteModule, sqliteVersion = "modernc.org/sqlite", "v1.58.0"
	libcModule, libcVersion     = "modernc.org/libc", "v1.75.6"
)

// libcWarning returns a warning if this binary was linked with another libc than its SQLite needs.
func libcWarning() []string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	return judgeLibc(info.Deps)
}

func judgeLibc(deps []*debug.Module) []string {
	linked := map[string]string{}
	for _, m := range deps {
		version := m.Version
		if m.Replace != nil {
			version = m.Replace.Version
		}
		linked[m.Path] = version
	}
	if linked[sqliteModule] != sqliteVersion || linked[libcModule] == libcVersion {
		return nil
	}
	return []string{fmt.Sprintf("this binary links %s %s, but %s %s works only with %s: another plugin has raised it; "+
		"build with --replace %s=%s@%s, or keep the ledger in PostgreSQL",
		libcModule, linked[libcModule], sqliteModule, sqliteVersion, libcVersion, libcModule, libcModule, libcVersion)}
}
