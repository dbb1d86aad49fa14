package forward

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/ua-parser/uap-go/uaparser"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// agentCacheSize bounds the user agents whose parse is remembered. An unseen one costs 0.4 to 0.7 ms, a remembered one
// 40 ns, and a remembered entry about 700 bytes.
const agentCacheSize = 10_000

// agent is what a user agent says of the visitor's device.
type agent struct{ browser, os, device string }

// agents parses user agents behind a cache of its own: the parser's caches are made as small as it allows, since a hit in
// them costs five times as much.
type agents struct {
	parser func() (*uaparser.Parser, error) // built with the first user agent: it takes 35 ms and 12 MB
	cache  *lru.Cache[string, agent]
}

// sharedAgents is made on first use; one serves the process.
var sharedAgents = sync.OnceValues(func() (*agents, error) {
	cache, err := lru.New[string, agent](agentCacheSize)
	if err != nil {
		return nil, fmt.Errorf("making the cache of user agents: %w", err)
	}
	parser := sync.OnceValues(func() (*uaparser.Parser, error) { return uaparser.New(uaparser.WithCacheSize(1)) })
	return &agents{parser, cache}, nil
})

func (a *agents) parse(text string) agent {
	if text == "" {
		return agent{}
	}
	if known, ok := a.cache.Get(text); ok {
		return known
	}
	parser, err := a.parser()
	if err != nil { // the parser's own definitions are at fault, which no record can help
		return agent{}
	}
	ua, os, device := parser.ParseUserAgent(text), parser.ParseOs(text), parser.ParseDevice(text)
	parsed := agent{
		browser: versioned(ua.Family, ua.Major),
		os:      versioned(os.Family, os.Major),
		device:  device.Family,
	}
	a.cache.Add(text, parsed)
	return parsed
}

func versioned(family, major string) string {
	if major == "" {
		return family
	}
	return family + " " + major
}

// decode turns an entry into what the ledger books: a session with all that can be derived from the capture, a conversion,
// a tombstone, or, when it cannot be read by this version, a record for the quarantine.
func (a *agents) decode(origin string, entry tracker.Entry) ledger.Record {
	booked := ledger.Record{Seq: entry.Seq, From: entry.Seq, Raw: entry.Payload}
	record, err := tracker.DecodeRecord(entry.Payload)
	if err != nil {
		booked.Reason = err.Error()
		return booked
	}
	switch record.Kind() {
	case tracker.KindClick:
		s, err := record.Session()
		if err != nil {
			booked.Reason = err.Error()
			return booked
		}
		booked.Session = a.enrich(origin, entry.Seq, s)
	case tracker.KindConversion:
		c, err := record.Conversion()
		if err != nil {
			booked.Reason = err.Error()
			return booked
		}
		booked.Conversion = &c
	case tracker.KindLost:
		from, err := strconv.ParseUint(record.Get(tracker.FieldFrom), 10, 64)
		if err != nil || from == 0 || from > entry.Seq {
			from = entry.Seq
		}
		booked.Lost, booked.From, booked.Reason = true, from, record.Get(tracker.FieldReason)
	default:
		booked.Reason = "a kind of record that this version does not know"
	}
	return booked
}

// Enrich returns the session with all that can be derived from its capture, as the apply step books those of the edges.
func Enrich(s tracker.Session) tracker.BookedSession {
	a, err := sharedAgents()
	if err != nil {
		panic(err) // a cache of our size can always be made
	}
	return *a.enrich("", 0, s)
}

func (a *agents) enrich(origin string, seq uint64, s tracker.Session) *ledger.Session {
	parsed := a.parse(s.UserAgent)
	query := s.Query
	if !strings.Contains(query, "=") {
		query = ""
	}
	return &ledger.Session{
		Session:  s,
		Browser:  parsed.browser,
		OS:       parsed.os,
		Device:   parsed.device,
		SubIDs:   tracker.SubIDs(query),
		ClickIDs: tracker.ClickIDs(query),
		Origin:   origin,
		Seq:      seq,
	}
}
