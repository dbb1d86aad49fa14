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

func campaignGroup() *cobra.Command {
	cmd := group("campaign", "Adds, lists and changes campaigns: what is paid, and for how long a click earns")
	cmd.AddCommand(campaignAddCommand(), campaignListCommand(), campaignShowCommand(), campaignSetCommand(),
		deleteCommand("campaign", "campaigns", "Deletes a campaign that has no link, coupon, customer or conversion"))
	return cmd
}

// campaignFlags adds what may be said of a campaign, and returns what collects it.
func campaignFlags(cmd *cobra.Command) func(changes) {
	commissions := commissionFlag(cmd)
	coupons := couponFlag(cmd)
	window := durationFlag(cmd, "window", "How long a click earns, as a `DURATION` such as 30d; 0s for the configuration's window")
	landing := cmd.Flags().String("landing", "", "`URL` or path that links without a destination of their own go to")
	duplicates := cmd.Flags().String("duplicates", "", "What becomes of a conversion that is reported again with other content, a `POLICY`: "+
		"reject, update, new, mark or ignore (default reject)")
	hosts := cmd.Flags().StringSlice("deep-link-host", nil, "`HOST` that a deep-link parameter may name; may be repeated")
	return func(body changes) {
		body.given(cmd, "commission", "commissions", *commissions)
		body.given(cmd, "coupon", "coupons", *coupons)
		body.given(cmd, "window", "window_seconds", *window)
		body.given(cmd, "landing", "landing_page", *landing)
		body.given(cmd, "duplicates", "duplicates", *duplicates)
		body.given(cmd, "deep-link-host", "deep_link_hosts", *hosts)
	}
}

func campaignAddCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "add NAME", Short: "Adds a campaign", Args: one("NAME")}
	collect := campaignFlags(cmd)
	cmd.RunE = run(func(c client, args []string) error {
		body := changes{"name": args[0]}
		collect(body)
		return show(c, http.MethodPost, "campaigns", body, saying[tracker.Campaign]("added", sayCampaign))
	})
	return cmd
}

func campaignListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Lists the campaigns of a network", Args: none,
		RunE: run(func(c client, _ []string) error {
			t := newTable(c.table(), "ID", "NAME", "STATE", "COMMISSIONS", "WINDOW", "COUPONS", "DUPLICATES")
			return list(c, "campaigns", nil, 0, t, func(g tracker.Campaign) []any {
				return []any{g.ID, g.Name, campaignState(g), commissionsText(g.Commissions), secondsText(g.Window), len(g.Coupons), g.Duplicates}
			})
		}),
	}
}

func campaignState(g tracker.Campaign) string {
	if g.Archived {
		return "archived"
	}
	return "active"
}

func campaignShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Shows a campaign", Args: one("ID"),
		RunE: run(func(c client, args []string) error {
			return show(c, http.MethodGet, "campaigns/"+url.PathEscape(args[0]), nil, func(w io.Writer, g tracker.Campaign) error {
				f := newFacts(w)
				f.add("id", g.ID)
				f.add("network", g.Network)
				f.add("name", g.Name)
				f.add("state", campaignState(g))
				for _, commission := range g.Commissions {
					f.add("commission", commissionText(commission))
				}
				f.add("window", secondsText(g.Window))
				f.add("landing page", g.LandingPage)
				f.add("deep-link hosts", strings.Join(g.DeepLinkHosts, " "))
				for _, coupon := range g.Coupons {
					f.add("coupon", fmt.Sprintf("%s of affiliate %d", coupon.Code, coupon.AffiliateID))
				}
				f.add("duplicates", g.Duplicates)
				f.add("created", timeText(g.CreatedAt))
				f.add("updated", timeText(g.UpdatedAt))
				return f.Flush()
			})
		}),
	}
}

func campaignSetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "set ID", Short: "Changes a campaign", Args: one("ID"),
		Long: "Changes a campaign. The commissions that are given take the place of all that it has; so do coupons and hosts.",
	}
	name := cmd.Flags().String("name", "", "The campaign's `NAME`")
	archived := cmd.Flags().Bool("archived", false, "Whether it is over; what is archived earns nothing any more")
	collect := campaignFlags(cmd)
	cmd.RunE = run(func(c client, args []string) error {
		body := changes{}
		body.given(cmd, "name", "name", *name)
		body.given(cmd, "archived", "archived", *archived)
		collect(body)
		if len(body) == 0 {
			return errNothingToSet
		}
		return show(c, http.MethodPatch, "campaigns/"+url.PathEscape(args[0]), body, saying[tracker.Campaign]("changed", sayCampaign))
	})
	return cmd
}

func sayCampaign(g tracker.Campaign) string {
	return fmt.Sprintf("campaign %s (id %d) in network %s", printable(g.Name), g.ID, printable(g.Network))
}

func commissionText(c tracker.Commission) string {
	if c.Fixed != nil {
		return c.Name + "=" + moneyText(c.Fixed.Amount, c.Fixed.Currency)
	}
	return c.Name + "=" + c.Percent.String() + "%"
}

func commissionsText(commissions []tracker.Commission) string {
	texts := make([]string, len(commissions))
	for i, c := range commissions {
		texts[i] = commissionText(c)
	}
	return strings.Join(texts, " ")
}

// secondsText writes a window; 0 stands for the one that holds where nothing is said.
func secondsText(s tracker.Seconds) string {
	if s == 0 {
		return "default"
	}
	return windowText(time.Duration(s) * time.Second)
}
