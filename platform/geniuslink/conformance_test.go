package geniuslink

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/forward/destinationtest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func TestDestinationConformance(t *testing.T) {
	for name, event := range map[string]tracker.Event{
		"put": event(), "deleted": {Kind: tracker.EventGroupTokens, Subject: "7/amazon-de", Gone: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			destinationtest.Run(t, destinationtest.Suite{
				New: func(t *testing.T, endpoint string) forward.Destination {
					d, err := NewDestination(DestinationOptions{Endpoint: endpoint, Key: "k3y/1", Secret: `s3cr/3t+"&`})
					if err != nil {
						t.Fatal(err)
					}
					return d
				},
				Event:       event,
				BodyDecides: true,
				Secrets:     []string{"k3y/1", `s3cr/3t+"&`},
				Accept: func(w http.ResponseWriter, _ *http.Request) {
					fmt.Fprint(w, `{"success":true,"affiliateTokensId":"x"}`)
				},
			})
		})
	}
}
