package faults

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
)

// A killed process leaves two origins, and the disk damages both. What was applied is not touched by it: neither a flipped
// bit nor a cut tail. Of what was not applied a record with a flipped bit is lost and said to be, in the audit's sum and its
// exit status; half a record that a kill left behind is none; and every other record is applied.
func TestDamagedDisk(t *testing.T) {
	p := caddy.Start(t, with(embedded))
	applied := clicks(p).For(500 * time.Millisecond).Tokens
	check.Settle(t, p)
	first := origins(t, p)[0]
	p.Kill()
	p.Restart()
	applied = append(applied, clicks(p).For(500*time.Millisecond).Tokens...)
	check.Settle(t, p)
	must(t, p.Reload(with(closed)))
	waiting := clicks(p).For(500 * time.Millisecond).Tokens
	second := origins(t, p)[1]
	p.Kill()

	whole := segmentOf(t, p, first)
	whole.flip(0)
	whole.cut(3)
	partly := segmentOf(t, p, second)
	partly.flip(0)
	victim := len(partly.frames) - 10
	partly.flip(victim)
	partly.tear()

	p = caddy.Start(t, with(embedded, "journal ./affiliate {\nretain 1s\n}"), caddy.In(p.Dir))
	var audit check.Audit
	await(t, "the rest to be applied", func() bool {
		audit = check.AuditOf(t, p)
		for _, o := range audit.Origins {
			if o.Journalled > 0 {
				return false
			}
		}
		return true
	})
	if audit.Balanced {
		t.Errorf("the audit says that nothing is lost: %+v", audit)
	}
	for _, o := range audit.Origins {
		if want := o.Origin != second; o.Balanced != want || (o.Lost == 1) == want {
			t.Errorf("the audit says of an origin: %+v", o)
		}
	}
	if _, _, status := p.CLI("affiliate", "audit"); status != 1 {
		t.Errorf("caddy affiliate audit exits with %d", status)
	}
	if n := p.Metrics()["caddy_affiliate_lost_records_total"]; n != 1 {
		t.Errorf("%.0f records are counted as lost, want 1", n)
	}

	rows := map[string]int{}
	for _, s := range check.Sessions(t, p) {
		rows[s.ID]++
	}
	missing := 0
	for _, token := range append(applied, waiting...) {
		if rows[token.Session] == 0 {
			missing++
		}
	}
	if n := len(applied) + len(waiting); missing > 1 || len(rows) < n-1 {
		t.Errorf("of %d tokens %d have no session, want at most the lost one", n, missing)
	}
	t.Logf("%d tokens applied before, %d after the damage, 1 lost", len(applied), len(rows)-len(applied))
	await(t, "both damaged segments to be set aside for a person", func() bool {
		aside, _ := filepath.Glob(filepath.Join(p.Dir, "affiliate", "damaged", "*.seg"))
		return len(aside) == 2
	})
}

// segment is an origin's first segment, as a stranger to the journal's code sees it.
type segment struct {
	t      *testing.T
	path   string
	bytes  []byte
	frames []int // where each begins; the last is where they end
}

func segmentOf(t *testing.T, p *caddy.Process, origin string) *segment {
	t.Helper()
	s := &segment{t: t, path: filepath.Join(p.Dir, "affiliate", "origins", origin, "00000000000000000001.seg")}
	var err error
	s.bytes, err = os.ReadFile(s.path)
	must(t, err)
	const header = 16 // length, checksum, number
	for at := 0; ; {
		s.frames = append(s.frames, at)
		if at+header > len(s.bytes) || binary.BigEndian.Uint32(s.bytes[at:]) == 0 {
			return s
		}
		at += header + int(binary.BigEndian.Uint32(s.bytes[at:]))
	}
}

// flip turns one bit of the payload of a frame.
func (s *segment) flip(frame int) {
	s.bytes[s.frames[frame]+20] ^= 1
	s.write()
}

// cut takes the last bytes of the last record.
func (s *segment) cut(bytes int) {
	end := s.frames[len(s.frames)-1]
	s.bytes = s.bytes[:end-bytes]
	s.write()
}

// tear leaves half a record behind the last.
func (s *segment) tear() {
	last, end := s.frames[len(s.frames)-2], s.frames[len(s.frames)-1]
	copy(s.bytes[end:], s.bytes[last:(last+end)/2])
	binary.BigEndian.PutUint64(s.bytes[end+8:], uint64(len(s.frames)))
	s.write()
}

func (s *segment) write() {
	s.t.Helper()
	must(s.t, os.WriteFile(s.path, s.bytes, 0o600))
}
