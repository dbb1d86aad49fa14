//go:build unix

package model_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"
)

// damage is what anybody may do to Redis.
func (m *machine) damage() {
	what := map[string]func(){
		"FLUSHALL":    func() { m.must(m.redis.FlushAll(ctx).Err()); m.excuse() },
		"DEL":         m.deleteKey,
		"XTRIM":       m.trim,
		"XDEL":        m.deleteEntry,
		"XADD":        m.addEntry,
		"older copy":  m.redisFallsBack,
		"SET instead": m.overwrite,
	}
	kinds := slices.Sorted(maps.Keys(what))
	what[rapid.SampledFrom(kinds).Draw(m.t, "damage")]()
}

func key(origin, what string) string { return "affiliate:{" + origin + "}:" + what }

// aKey is one of the keys that hold an origin together.
func (m *machine) aKey() string {
	what := rapid.SampledFrom([]string{"events", "cursor", "parked", "origins"}).Draw(m.t, "key")
	if what == "origins" {
		return "affiliate:origins"
	}
	return key(m.anOrigin(), what)
}

func (m *machine) deleteKey() { m.must(m.redis.Del(ctx, m.aKey()).Err()); m.excuse() }

func (m *machine) overwrite() { m.must(m.redis.Set(ctx, m.aKey(), "mine now", 0).Err()); m.excuse() }

func (m *machine) trim() {
	keep := rapid.Int64Range(0, 3).Draw(m.t, "kept")
	m.tolerate(m.redis.XTrimMaxLen(ctx, key(m.anOrigin(), "events"), keep).Err())
	m.excuse()
}

func (m *machine) deleteEntry() {
	stream := key(m.anOrigin(), "events")
	entries, err := m.redis.XRange(ctx, stream, "-", "+").Result()
	m.tolerate(err)
	if len(entries) > 0 {
		i := rapid.IntRange(0, len(entries)-1).Draw(m.t, "entry")
		m.must(m.redis.XDel(ctx, stream, entries[i].ID).Err())
	}
	m.excuse()
}

// addEntry adds something of no sense at the end of a stream: under an id that no edge reaches, or under the very next ones.
func (m *machine) addEntry() {
	origin := m.anOrigin()
	id := "*"
	if ahead := rapid.Uint64Range(0, 3).Draw(m.t, "numbers ahead"); ahead > 0 {
		last := uint64(0)
		if info, err := m.redis.XInfoStream(ctx, key(origin, "events")).Result(); err == nil {
			number, _, _ := strings.Cut(info.LastGeneratedID, "-")
			last, err = strconv.ParseUint(number, 10, 64)
			m.must(err)
		}
		id = fmt.Sprintf("%d-0", last+ahead)
	}
	m.tolerate(m.redis.XAdd(ctx, &redis.XAddArgs{Stream: key(origin, "events"), ID: id, Values: []string{"from", "a stranger"}}).Err())
}

// tolerate lets a stranger run against a key that is of another type, or not there.
func (m *machine) tolerate(err error) {
	if !redis.HasErrorPrefix(err, "WRONGTYPE") && !errors.Is(err, redis.Nil) {
		m.must(err)
	}
}

// late lets a call reach Redis that was given up long ago.
func (m *machine) late() {
	if len(m.held) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.held)-1).Draw(m.t, "call")
	m.must(deliver(m.server.Addr, m.held[i]))
	m.held = append(m.held[:i], m.held[i+1:]...)
}

// redisFallsBack cuts a replica off, or promotes the one that was cut off before: it lacks what came since.
func (m *machine) redisFallsBack() {
	if m.replica == nil {
		m.replica = m.dump()
		return
	}
	m.must(m.redis.FlushAll(ctx).Err())
	for name, value := range m.replica {
		m.must(m.redis.Restore(ctx, name, value.ttl, value.data).Err())
	}
	m.replica = nil
	m.excuse()
}

type dumped struct {
	data string
	ttl  time.Duration
}

func (m *machine) dump() map[string]dumped {
	all := map[string]dumped{}
	names, err := m.redis.Keys(ctx, "*").Result()
	m.must(err)
	for _, name := range names {
		data, err := m.redis.Dump(ctx, name).Result()
		m.must(err)
		ttl, err := m.redis.PTTL(ctx, name).Result()
		m.must(err)
		all[name] = dumped{data, max(ttl, 0)}
	}
	return all
}
