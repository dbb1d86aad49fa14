package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
)

// node is the Caddyfile of a node with these options, one a line, and the link demo.
func node(options ...string) string { return nodeWithout("link", append(options, "link demo")...) }

// nodeWithout is node for one that does not declare the link itself; the first argument is for the reader.
func nodeWithout(_ string, options ...string) string {
	return fmt.Sprintf(`{
	affiliate {
		secret one-secret-for-every-node-of-the-test
		%s
	}
}

:{$HTTP_PORT} {
	affiliate
	header %s {affiliate.session_id}
	respond "hello"
}
`, strings.Join(options, "\n\t\t"), load.SessionHeader)
}
