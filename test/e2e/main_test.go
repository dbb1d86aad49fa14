package e2e

import (
	"os"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
)

func TestMain(m *testing.M) { os.Exit(caddy.InMemory(m)) }
