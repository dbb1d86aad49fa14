package journal

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
)

// Node returns the random name that the folder got when it was first opened. While this journal holds the folder nobody else has
// the name, but for a process on a copy of the folder.
func (j *Journal) Node() string { return j.node }

// identify reads the folder's name, or gives it one. A name that cannot be written, since the disk is full, lasts as long as the
// journal is open: nothing that has to be read back is kept under it.
func (j *Journal) identify() {
	path := filepath.Join(j.dir, "node_id")
	text, err := os.ReadFile(path)
	if err == nil {
		if id, err := uuid.Parse(strings.TrimSpace(string(text))); err == nil {
			j.node = id.String()
			return
		}
	}
	j.node = uuid.NewString()
	if err := writeFile(path, j.node+"\n"); err != nil {
		j.log.Warn("the node's name could not be written; after a crash it waits for its own leases", "error", err)
	}
}
