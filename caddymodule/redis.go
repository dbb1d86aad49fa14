package caddymodule

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap/zapcore"
)

func init() {
	redis.SetLogger(redisLogger{})
}

// redisLogger gives go-redis's own lines, which otherwise go to standard error, to Caddy's log. They are for debugging: what
// an operator must know of Redis, the relay says itself, once.
type redisLogger struct{}

func (redisLogger) Printf(_ context.Context, format string, v ...any) {
	if log := caddy.Log().Named("affiliate.redis"); log.Core().Enabled(zapcore.DebugLevel) {
		log.Debug(fmt.Sprintf(format, v...))
	}
}

// Redis is the relay between the edges and the ledger: one server, a master behind Sentinels, or a Cluster.
type Redis struct {
	// Where Redis is: `redis://`, `rediss://` (TLS) or `unix://` URLs, or `host:port`. Several addresses are Sentinels when
	// `master` is set, and nodes of a Cluster when `cluster` is. A URL's user and password are the Sentinels' own where
	// there are Sentinels, and Redis's otherwise.
	Addresses []string `json:"addresses,omitempty"`

	// The master's name as the Sentinels know it.
	Master string `json:"master,omitempty"`

	// Whether this is a Redis Cluster. Default: false.
	Cluster bool `json:"cluster,omitempty"`

	// The user name at Redis.
	Username string `json:"username,omitempty"`

	// The password at Redis. A placeholder such as `{env.REDIS_PASSWORD}` keeps it out of the configuration.
	Password string `json:"password,omitempty"`

	// The number of the database; a Cluster has only 0. Default: the URL's, or 0.
	DB int `json:"db,omitempty"`
}

// urlParameters are what a Redis URL may set beside its address. A parameter that would be ignored is refused instead.
var urlParameters = []string{"db", "dial_timeout", "pool_size", "read_timeout", "skip_verify", "write_timeout"}

// options turns the settings into go-redis's.
func (r *Redis) options(repl *caddy.Replacer, log *slog.Logger) (*redis.UniversalOptions, error) {
	if len(r.Addresses) == 0 {
		return nil, errors.New("redis needs an address, such as redis://localhost:6379/0")
	}
	if len(r.Addresses) > 1 && r.Master == "" && !r.Cluster {
		return nil, errors.New("redis with several addresses needs either `master <name>` (Sentinel) or `cluster`")
	}
	if r.Master != "" && r.Cluster {
		return nil, errors.New("redis has either a master (Sentinel) or a cluster, not both")
	}
	var first *redis.Options
	var addresses []string
	for _, address := range r.Addresses {
		if !hasPlaceholder(address) && urlPassword(address) {
			warnLiteral(log, "redis")
		}
		address, err := expand(repl, "the redis address", address)
		if err != nil {
			return nil, err
		}
		o, err := parseRedisURL(address)
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = o
		}
		if o.Username != first.Username || o.Password != first.Password || o.DB != first.DB || (o.TLSConfig == nil) != (first.TLSConfig == nil) {
			return nil, errors.New("the redis addresses differ in scheme, user, password or database")
		}
		addresses = append(addresses, o.Addr)
	}
	return r.universal(first, addresses, repl, log)
}

// universal completes what the first URL says with the block's own options.
func (r *Redis) universal(first *redis.Options, addresses []string, repl *caddy.Replacer, log *slog.Logger) (*redis.UniversalOptions, error) {
	o := &redis.UniversalOptions{
		Addrs: addresses, MasterName: r.Master, IsClusterMode: r.Cluster, DB: first.DB, TLSConfig: first.TLSConfig,
		DialTimeout: first.DialTimeout, ReadTimeout: first.ReadTimeout, WriteTimeout: first.WriteTimeout, PoolSize: first.PoolSize,
	}
	if o.TLSConfig != nil {
		o.TLSConfig = &tls.Config{ // without a ServerName: each node is checked against its own
			MinVersion: tls.VersionTLS12, InsecureSkipVerify: first.TLSConfig.InsecureSkipVerify,
		}
	}
	if r.Master != "" {
		o.SentinelUsername, o.SentinelPassword = first.Username, first.Password
	} else {
		o.Username, o.Password = first.Username, first.Password
	}
	if r.Password != "" && !hasPlaceholder(r.Password) {
		warnLiteral(log, "redis password")
	}
	for _, option := range []struct {
		what, value string
		to          *string
	}{{"the redis username", r.Username, &o.Username}, {"the redis password", r.Password, &o.Password}} {
		value, err := expand(repl, option.what, option.value)
		if err != nil {
			return nil, err
		}
		if value != "" {
			*option.to = value
		}
	}
	if r.DB != 0 {
		o.DB = r.DB
	}
	if o.DB < 0 || o.DB != 0 && r.Cluster {
		return nil, errors.New("redis: db is a number from 0, and a cluster has only 0")
	}
	return o, nil
}

var errRedisURL = errors.New("a redis address does not parse (it is not shown, since it may hold a password): " +
	"write redis://[user:password@]host:port/db, rediss://…, unix://… or host:port")

// parseRedisURL parses one address. Its errors never repeat the address.
func parseRedisURL(address string) (*redis.Options, error) {
	if !strings.Contains(address, "://") {
		address = "redis://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Fragment != "" { // which is the end of a password that is not escaped
		return nil, errRedisURL
	}
	for name := range u.Query() {
		if !slices.Contains(urlParameters, name) {
			return nil, fmt.Errorf("a redis URL may set %s, nothing else", strings.Join(urlParameters, ", "))
		}
	}
	o, err := redis.ParseURL(address)
	if err != nil {
		return nil, errRedisURL
	}
	return o, nil
}

// urlPassword reports whether s is a URL with a password in it.
func urlPassword(s string) bool {
	u, err := url.Parse(s)
	if err != nil {
		return strings.Contains(s, "://") && strings.Contains(s, "@")
	}
	_, set := u.User.Password()
	return set
}
