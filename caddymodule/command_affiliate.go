package caddymodule

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func affiliateGroup() *cobra.Command {
	cmd := group("affiliate", "Adds, lists and changes affiliates")
	cmd.AddCommand(affiliateAddCommand(), affiliateListCommand(), affiliateShowCommand(), affiliateSetCommand(),
		deleteCommand("affiliate", "affiliates", "Deletes an affiliate who has no link, coupon, customer or conversion"))
	return cmd
}

const affiliateStatuses = "applied, approved, declined, suspended or archived"

func affiliateAddCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "add NAME", Short: "Adds an affiliate", Args: one("NAME")}
	id := cmd.Flags().String("id", "", "The merchant's own `ID` of the affiliate")
	status := cmd.Flags().String("status", "", "`STATUS`: "+affiliateStatuses+" (default approved)")
	cmd.RunE = run(func(c client, args []string) error {
		body := changes{"name": args[0]}
		body.given(cmd, "id", "id_from_network", *id)
		body.given(cmd, "status", "status", *status)
		return show(c, http.MethodPost, "affiliates", body, saying[tracker.Affiliate]("added", sayAffiliate))
	})
	return cmd
}

func affiliateListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "Lists the affiliates of a network", Args: none}
	status := cmd.Flags().String("status", "", "Only those with this `STATUS`: "+affiliateStatuses)
	cmd.RunE = run(func(c client, _ []string) error {
		query := url.Values{}
		if *status != "" {
			query.Set("status", *status)
		}
		t := newTable(c.table(), "ID", "NAME", "STATUS", "ID-FROM-NETWORK", "SITES", "USERS")
		return list(c, "affiliates", query, 0, t, func(a tracker.Affiliate) []any {
			return []any{a.ID, a.Name, a.Status, a.IDFromNetwork, len(a.Sites), len(a.Users)}
		})
	})
	return cmd
}

func affiliateShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Shows an affiliate", Args: one("ID"),
		RunE: run(func(c client, args []string) error {
			return show(c, http.MethodGet, "affiliates/"+url.PathEscape(args[0]), nil, func(w io.Writer, a tracker.Affiliate) error {
				f := newFacts(w)
				f.add("id", a.ID)
				f.add("network", a.Network)
				f.add("name", a.Name)
				f.add("status", a.Status)
				f.add("id from network", a.IDFromNetwork)
				for _, site := range a.Sites {
					f.add("site", site.IDFromNetwork+" "+site.Name)
				}
				for _, user := range a.Users {
					f.add("user", fmt.Sprintf("%s %s (%s)", user.FirstName, user.LastName, user.Role))
				}
				for _, name := range slices.Sorted(maps.Keys(a.CustomData)) {
					f.add("custom data "+name, a.CustomData[name])
				}
				f.add("created", timeText(a.CreatedAt))
				f.add("updated", timeText(a.UpdatedAt))
				return f.Flush()
			})
		}),
	}
}

func affiliateSetCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "set ID", Short: "Changes an affiliate", Args: one("ID")}
	name := cmd.Flags().String("name", "", "The affiliate's `NAME`")
	id := cmd.Flags().String("id", "", "The merchant's own `ID` of the affiliate")
	status := cmd.Flags().String("status", "", "`STATUS`: "+affiliateStatuses+"; only an approved one earns")
	cmd.RunE = run(func(c client, args []string) error {
		body := changes{}
		body.given(cmd, "name", "name", *name)
		body.given(cmd, "id", "id_from_network", *id)
		body.given(cmd, "status", "status", *status)
		if len(body) == 0 {
			return errNothingToSet
		}
		return show(c, http.MethodPatch, "affiliates/"+url.PathEscape(args[0]), body, saying[tracker.Affiliate]("changed", sayAffiliate))
	})
	return cmd
}

func sayAffiliate(a tracker.Affiliate) string {
	return fmt.Sprintf("affiliate %s (id %d, %s) in network %s", printable(a.Name), a.ID, printable(string(a.Status)), printable(a.Network))
}
