package postgres

import (
	"regexp"
	"slices"
	"strings"
)

// plainName matches the hosts, the paths of sockets and the databases that are shown.
var plainName = regexp.MustCompile(`^[A-Za-z0-9._:/-]*$`)

// Place returns the hosts and the database that a connection string names, such as "db.example.com/shop", for people: never a
// user, a password or a parameter. It is empty where a password that is not escaped may have been read as one of them.
func Place(dsn string) string {
	config, err := parse(dsn)
	if err != nil || ambiguous(dsn) {
		return ""
	}
	hosts := []string{config.Host}
	for _, other := range config.Fallbacks { // a host is there twice where it is tried with TLS and without
		if !slices.Contains(hosts, other.Host) {
			hosts = append(hosts, other.Host)
		}
	}
	for _, name := range append(hosts, config.Database) {
		if !plainName.MatchString(name) {
			return ""
		}
	}
	return strings.Join(hosts, ",") + "/" + config.Database
}

// ambiguous reports whether the one that wrote a URL may have meant another password than its parser reads: one with @, or with
// what ends a host.
func ambiguous(dsn string) bool {
	_, rest, isURL := strings.Cut(dsn, "://")
	login, place, hasLogin := strings.Cut(rest, "@")
	return isURL && hasLogin && (strings.ContainsAny(login, "/?#") || strings.Contains(place, "@"))
}
