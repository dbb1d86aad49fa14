package affelios

import (
	"io"
	"net/http"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/forward/destinationtest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// TestDestination runs the suite with each event.
func TestDestination(t *testing.T) {
	changed := person("abc")
	changed.Kind, changed.Ref = tracker.EventCustomerChanged, "7"
	for name, e := range map[string]tracker.Event{"customer": person("abc"), "change": changed, "transaction": moneyMoved()} {
		t.Run(name, func(t *testing.T) {
			destinationtest.Run(t, destinationtest.Suite{
				New:         func(t *testing.T, endpoint string) forward.Destination { return destination(t, endpoint) },
				Event:       e,
				Accept:      func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"id":"7"}`) },
				BodyDecides: true,
				Secrets:     []string{apiKey},
			})
		})
	}
}
