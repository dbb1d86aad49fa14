package caddymodule

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func linkGroup() *cobra.Command {
	cmd := group("link", "Adds, lists, changes, disables and enables links")
	cmd.AddCommand(linkAddCommand(), linkListCommand(), linkShowCommand(), linkSetCommand(),
		linkActiveCommand("disable"), linkActiveCommand("enable"))
	return cmd
}

// linkFlags are what may be said of a link when it is added and later.
type linkFlags struct {
	to, subdomain, contactName, contactEmail, organisation, training *string
	hosts                                                            *[]string
	window                                                           *tracker.Seconds
	expires                                                          *time.Time
	business                                                         *bool
	program                                                          *string
	group                                                            *int
}

func newLinkFlags(cmd *cobra.Command) linkFlags {
	flags := cmd.Flags()
	return linkFlags{
		to:           flags.String("to", "", "`URL` or path that the link's redirect goes to (default: the campaign's landing page, or /)"),
		subdomain:    flags.String("subdomain", "", "Host `LABEL` that is a link by itself"),
		hosts:        flags.StringSlice("deep-link-host", nil, "`HOST` that a deep-link parameter may name; may be repeated"),
		window:       durationFlag(cmd, "window", "How long a click earns, as a `DURATION` such as 30d (default: the campaign's)"),
		expires:      timeFlag(cmd, "expires", "The day or `TIME` (UTC) from which the link earns no more"),
		contactName:  flags.String("contact-name", "", "`NAME` of the person to ask"),
		contactEmail: flags.String("contact-email", "", "`ADDRESS` of the person to ask"),
		organisation: flags.String("organisation", "", "`NAME` of that person's organisation"),
		training:     flags.String("training", "", "`STATUS` of the people's training: not_applicable, in_training or qualified"),
		business:     flags.Bool("business", false, "Whether the link is a business's"),
		program:      flags.String("program", "", "`GUID` of the affiliate programme whose parameters the destination gets"),
		group:        numberFlag(cmd, "group", 0, 0, "The `NUMBER` of the group that has those parameters (default 0)"),
	}
}

func linkAddCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "add CODE", Short: "Adds a link, live at once", Args: one("CODE")}
	affiliate := cmd.Flags().String("affiliate", "", "The affiliate's `NAME`, who is added where missing (default: the code)")
	campaign := cmd.Flags().String("campaign", "", "The campaign's `NAME`, which is added where missing (default: default)")
	f := newLinkFlags(cmd)
	cmd.RunE = run(func(c client, args []string) error {
		return c.printLink("added", http.MethodPost, "/affiliate/links", newLinkJSON{
			Link: Link{
				Code: args[0], Affiliate: *affiliate, Destination: *f.to, Subdomain: *f.subdomain, DeepLinkHosts: *f.hosts,
				Window: caddy.Duration(f.window.Duration()),
			},
			Campaign: *campaign, ExpiresAt: *f.expires, ContactName: *f.contactName, ContactEmail: *f.contactEmail,
			Organisation: *f.organisation, TrainingStatus: tracker.TrainingStatus(*f.training), IsBusiness: *f.business,
			Program: *f.program, GroupID: int64(*f.group),
		})
	})
	return cmd
}

func linkListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Lists the links, disabled ones included", Args: none,
		RunE: run(func(c client, _ []string) error {
			return c.print(http.MethodGet, "/affiliate/links", nil, nil, linkTable)
		}),
	}
}

func linkShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show CODE", Short: "Shows a link", Args: one("CODE"),
		RunE: run(func(c client, args []string) error {
			path, err := c.linkPath(args[0])
			if err != nil {
				return err
			}
			return show(c, http.MethodGet, path, nil, showCatalogLink)
		}),
	}
}

func showCatalogLink(w io.Writer, l tracker.CatalogLink) error {
	f := newFacts(w)
	f.add("id", l.ID)
	f.add("network", l.Network)
	f.add("code", l.Code)
	f.add("affiliate", fmt.Sprintf("%s (id %d)", l.Affiliate, l.AffiliateID))
	f.add("campaign", fmt.Sprintf("%s (id %d)", l.Campaign, l.CampaignID))
	f.add("live", yesNo(l.Live))
	f.add("enabled", yesNo(l.Enabled))
	f.add("source", l.Source)
	f.add("destination", l.Destination)
	f.add("subdomain", l.Subdomain)
	f.add("deep-link hosts", strings.Join(l.DeepLinkHosts, " "))
	f.add("program", l.Program)
	if l.Program != "" {
		f.add("group", l.GroupID)
	}
	f.add("window", secondsText(l.Window))
	if l.ExpiresAt != nil {
		f.add("expires", timeText(*l.ExpiresAt))
	}
	f.add("contact name", l.ContactName)
	f.add("contact email", l.ContactEmail)
	f.add("organisation", l.Organisation)
	f.add("training", l.TrainingStatus)
	f.add("business", yesNo(l.IsBusiness))
	f.add("created", timeText(l.CreatedAt))
	f.add("updated", timeText(l.UpdatedAt))
	return f.Flush()
}

func linkSetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "set CODE", Short: "Changes a link, at once here and within seconds elsewhere", Args: one("CODE"),
		Long: "Changes a link. The hosts that are given take the place of all that it has. Of a link of the configuration only " +
			"contact, organisation, training and business can be changed.",
	}
	affiliate := numberFlag(cmd, "affiliate-id", 0, 1, "The affiliate's id, a `NUMBER`")
	campaign := numberFlag(cmd, "campaign-id", 0, 1, "The campaign's id, a `NUMBER`")
	never := cmd.Flags().Bool("never-expires", false, "Takes the time away from which the link earns no more")
	f := newLinkFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("expires", "never-expires")
	cmd.RunE = run(func(c client, args []string) error {
		body := changes{}
		body.given(cmd, "affiliate-id", "affiliate_id", *affiliate)
		body.given(cmd, "campaign-id", "campaign_id", *campaign)
		body.given(cmd, "to", "destination", *f.to)
		body.given(cmd, "subdomain", "subdomain", *f.subdomain)
		body.given(cmd, "deep-link-host", "deep_link_hosts", *f.hosts)
		body.given(cmd, "window", "window_seconds", *f.window)
		body.given(cmd, "expires", "expires_at", *f.expires)
		if *never {
			body["expires_at"] = nil
		}
		body.given(cmd, "contact-name", "contact_name", *f.contactName)
		body.given(cmd, "contact-email", "contact_email", *f.contactEmail)
		body.given(cmd, "organisation", "organisation", *f.organisation)
		body.given(cmd, "training", "training_status", *f.training)
		body.given(cmd, "business", "is_business", *f.business)
		body.given(cmd, "program", "program", *f.program)
		body.given(cmd, "group", "group_id", *f.group)
		if len(body) == 0 {
			return errNothingToSet
		}
		path, err := c.linkPath(args[0])
		if err != nil {
			return err
		}
		return show(c, http.MethodPatch, path, body, saying[tracker.CatalogLink]("changed", func(l tracker.CatalogLink) string {
			return fmt.Sprintf("link %s of %s in network %s", printable(l.Code), printable(l.Affiliate), printable(l.Network))
		}))
	})
	return cmd
}

// linkPath finds the API's path of the link with that code.
func (c client) linkPath(code string) (path string, err error) {
	if err := tracker.CheckCode(code); err != nil {
		return "", err
	}
	_, err = c.each("links", url.Values{"code": {code}}, 1, func(text json.RawMessage) error {
		var link tracker.CatalogLink
		if err := json.Unmarshal(text, &link); err != nil {
			return fmt.Errorf("reading the answer: %w", err)
		}
		path = "links/" + strconv.FormatInt(link.ID, 10)
		return nil
	})
	if err == nil && path == "" {
		err = fmt.Errorf("link %q: not found", code)
	}
	return path, err
}

// linkActiveCommand is "disable" or "enable", which is also the last part of the route.
func linkActiveCommand(verb string) *cobra.Command {
	return &cobra.Command{
		Use: verb + " CODE", Short: strings.ToUpper(verb[:1]) + verb[1:] + "s a link, at once here and within seconds elsewhere", Args: one("CODE"),
		RunE: run(func(c client, args []string) error {
			return c.printLink(verb+"d", http.MethodPost, "/affiliate/links/"+url.PathEscape(args[0])+"/"+verb, nil)
		}),
	}
}

// printLink makes a change and says in one line what became of the link.
func (c client) printLink(done, method, path string, body any) error {
	return c.print(method, path, nil, body, func(w io.Writer, answer io.Reader) error {
		var link linkJSON
		if err := decode(answer, &link); err != nil {
			return err
		}
		_, err := fmt.Fprintf(w, "%s link %s of %s in network %s%s\n", done, printable(link.Code), printable(link.Affiliate),
			printable(link.Network), notLive(link))
		return err
	})
}

// notLive says of an enabled link why its clicks earn nothing all the same.
func notLive(l linkJSON) string {
	switch l.state() {
	case "inactive":
		return "; it is not live: its affiliate is not approved, or its campaign is archived"
	case "expired":
		return "; it is not live: it has expired"
	}
	return ""
}
