package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func keyGroup() *cobra.Command {
	cmd := group("key", "Creates, lists and revokes keys of the API")
	cmd.AddCommand(keyCreateCommand(), keyListCommand(), keyRevokeCommand())
	return cmd
}

// createdKey is a key with its text, which only the answer to its creation has.
type createdKey struct {
	tracker.Key
	Text string `json:"key"`
}

func keyCreateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create", Short: "Creates a key, which is shown once", Args: none,
		Long: "Creates a key of the API and prints it, alone on its line. It is shown this once and kept nowhere.\n\n" +
			"A scope is *, read (everything that only reads), or RESOURCE:read or RESOURCE:write, of the resources " +
			strings.Join(tracker.Resources, ", ") + ".",
		Example: "  caddy affiliate key create --scope conversions:write --scope conversions:read --name shop",
	}
	scopes := cmd.Flags().StringSlice("scope", nil, "What the key may do, a `SCOPE`; may be repeated")
	name := cmd.Flags().String("name", "command line", "`NAME` to tell it from others")
	rate := numberFlag(cmd, "rate", 0, 1, fmt.Sprintf("Requests per second that it may make, a `NUMBER` (default %d)", tracker.DefaultRate))
	required(cmd, "scope")
	cmd.RunE = run(func(c client, _ []string) error {
		body := changes{"scopes": *scopes, "name": *name}
		body.given(cmd, "rate", "rate", *rate)
		return show(c, http.MethodPost, "keys", body, func(w io.Writer, k createdKey) error {
			if _, err := fmt.Fprintln(w, printable(k.Text)); err != nil {
				return err
			}
			_, err := fmt.Fprintf(c.err, "Keep it now: it is not shown again. Its id is %s, its network %s.\n", printable(k.ID), printable(k.Network))
			return err
		})
	})
	return cmd
}

func keyListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Lists the keys of a network, revoked ones included", Args: none,
		RunE: run(func(c client, _ []string) error {
			t := newTable(c.table(), "ID", "NAME", "SCOPES", "RATE", "CREATED", "LAST-USED", "STATE")
			return list(c, "keys", nil, unpaged, t, func(k tracker.Key) []any {
				scopes := make([]string, len(k.Scopes))
				for i, s := range k.Scopes {
					scopes[i] = string(s)
				}
				state := "active"
				if k.RevokedAt != nil {
					state = "revoked"
				}
				return []any{k.ID, k.Name, strings.Join(scopes, " "), k.PerSecond(), timeText(k.CreatedAt), optionalTime(k.LastUsedAt), state}
			})
		}),
	}
}

func optionalTime(t *time.Time) string {
	if t == nil {
		return ""
	}
	return timeText(*t)
}

func keyRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Revokes a key, on all nodes within a second", Args: one("ID"),
		RunE: run(func(c client, args []string) error {
			return show(c, http.MethodDelete, "keys/"+url.PathEscape(args[0]), nil, func(w io.Writer, _ struct{}) error {
				_, err := fmt.Fprintf(w, "revoked key %s\n", printable(args[0]))
				return err
			})
		}),
	}
}
