package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// snapshotName is the file beside the journal from which a node knows its links while everything else is down. It has one
// snapshotLine a line, first the head, then the links, so that damage takes what it hits and nothing else.
const snapshotName = "links.jsonl"

// snapshot is the content of that file.
type snapshot struct {
	Version int64
	Links   []tracker.Link
	Config  []ledger.LinkID // the links that the configuration named when it was last written to the ledger
}

type snapshotHead struct {
	Version int64           `json:"version"`
	Links   int             `json:"links"` // how many follow
	Config  []ledger.LinkID `json:"config"`
}

type snapshotLine struct {
	Sum   uint32          `json:"crc32c"` // of Entry, as it is written
	Entry json.RawMessage `json:"entry"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// readSnapshot returns what of the snapshot verifies, and how many of its entries do not or are missing. Without a file there
// is nothing, and nothing is damaged.
func readSnapshot(dir string) (s snapshot, damaged int, err error) {
	data, err := os.ReadFile(filepath.Join(dir, snapshotName))
	if errors.Is(err, fs.ErrNotExist) {
		return s, 0, nil
	}
	if err != nil {
		return s, 0, err
	}
	lines := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	var head snapshotHead
	if !readLine(lines[0], &head) {
		damaged++
	}
	s.Version, s.Config = head.Version, head.Config
	for _, line := range lines[1:] {
		var link tracker.Link
		if readLine(line, &link) {
			s.Links = append(s.Links, link)
		} else {
			damaged++
		}
	}
	return s, max(damaged, head.Links-len(s.Links)), nil
}

func readLine(text []byte, entry any) bool {
	var line snapshotLine
	return json.Unmarshal(text, &line) == nil && crc32.Checksum(line.Entry, castagnoli) == line.Sum &&
		json.Unmarshal(line.Entry, entry) == nil
}

func appendLine(dst []byte, entry any) ([]byte, error) {
	text, err := json.Marshal(entry)
	if err != nil {
		return nil, err
	}
	line, err := json.Marshal(snapshotLine{crc32.Checksum(text, castagnoli), text})
	return append(append(dst, line...), '\n'), err
}

// writeSnapshot replaces the file as a whole, so that a crash leaves the old or the new one.
func writeSnapshot(dir string, s snapshot) error {
	data, err := appendLine(nil, snapshotHead{s.Version, len(s.Links), s.Config})
	for i := 0; i < len(s.Links) && err == nil; i++ {
		data, err = appendLine(data, s.Links[i])
	}
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, snapshotName+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	if _, err := temp.Write(data); err != nil {
		return errors.Join(err, temp.Close())
	}
	if err := errors.Join(temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), filepath.Join(dir, snapshotName))
}
