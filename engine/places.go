package engine

import (
	"log/slog"
	"net"
	"slices"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/postgres"
)

// Places says for the log which journal, ledger and relay the configuration names. No user, password or parameter is among it.
func (c Config) Places() []slog.Attr {
	c = c.withDefaults()
	return []slog.Attr{
		slog.String("journal", c.Dir), slog.String("ledger", c.Ledger.place()), slog.String("relay", c.relayPlace()),
		slog.Int("configured_links", len(c.Links)),
	}
}

func (l Ledger) place() string {
	where := l.Path
	if l.Kind == LedgerPostgres {
		where = postgres.Place(l.DSN)
	}
	return strings.TrimSpace(l.Kind + " " + where)
}

func (c Config) relayPlace() string {
	if c.Redis == nil {
		return StatusOff
	}
	var hosts []string
	for _, address := range c.Redis.Addrs {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			host = address // a socket's path
		}
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return "redis " + strings.Join(hosts, ", ")
}
