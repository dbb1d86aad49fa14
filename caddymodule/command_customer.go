package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func customerGroup() *cobra.Command {
	cmd := group("customer", "Adds, lists and shows customers: registered persons and who brought them")
	cmd.AddCommand(customerListCommand(), customerShowCommand(), customerAddCommand())
	return cmd
}

func customerListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "Lists customers, newest first", Args: none}
	limit := limitFlag(cmd)
	affiliate := numberFlag(cmd, "affiliate-id", 0, 1, "Only those whom this affiliate brought, a `NUMBER`")
	cmd.RunE = run(func(c client, _ []string) error {
		query := url.Values{}
		if *affiliate != 0 {
			query.Set("affiliate_id", fmt.Sprint(*affiliate))
		}
		t := newTable(c.table(), "CREATED", "EXTERNAL-ID", "BRAND", "AFFILIATE", "CAMPAIGN", "ID")
		return list(c, "customers", query, *limit, t, func(p tracker.Customer) []any {
			return []any{timeText(p.CreatedAt), p.ExternalID, p.Brand, p.Affiliate, p.Campaign, p.ID}
		})
	})
	return cmd
}

func customerShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Shows a customer, why this session brought them, and what their transactions come to", Args: one("ID"),
		RunE: run(func(c client, args []string) error {
			return show(c, http.MethodGet, "customers/"+url.PathEscape(args[0]), nil, showCustomer)
		}),
	}
}

func showCustomer(w io.Writer, p tracker.Customer) error {
	f := newFacts(w)
	f.add("id", p.ID)
	f.add("network", p.Network)
	f.add("external id", p.ExternalID)
	f.add("brand", p.Brand)
	f.add("username", p.Username)
	f.add("country", p.Country)
	f.add("country code", p.CountryCode)
	f.add("affiliate", p.Affiliate)
	f.add("campaign", p.Campaign)
	f.add("session", p.SessionID)
	f.add("organic", yesNo(p.Organic))
	f.add("registered", timeText(p.RegisteredAt))
	f.add("created", timeText(p.CreatedAt))
	if err := f.Flush(); err != nil {
		return err
	}
	if err := showDecision(w, p.Decision); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w, "\nTransactions"); err != nil {
		return err
	}
	t := newTable(w, "CURRENCY", "TRANSACTIONS", "DEPOSITS", "GROSS-REVENUE", "WAGERED", "REV-SHARE", "CPA", "FIXED")
	for _, s := range p.Sums {
		amount := func(n int64) string { return tracker.FormatAmount(n, s.Currency) }
		err := t.row(s.Currency, s.Transactions, amount(s.Deposits), amount(s.GrossRevenue), amount(s.Wagered),
			amount(s.RevShareCommission), amount(s.CPACommission), amount(s.FixedCommission))
		if err != nil {
			return err
		}
	}
	return t.Flush()
}

func customerAddCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "add EXTERNAL-ID", Short: "Adds a customer; the same one again changes nothing", Args: one("EXTERNAL-ID")}
	brand := cmd.Flags().String("brand", "", "`NAME` of the merchant's brand or shop")
	username := cmd.Flags().String("username", "", "The customer's `NAME`")
	country := cmd.Flags().String("country-code", "", "`CODE` of the customer's country (ISO 3166-1, two letters)")
	registered := timeFlag(cmd, "registered-at", "The day or `TIME` (UTC) of the registration (default now)")
	token := cmd.Flags().String("token", "", "The visitor's `TOKEN`, from the cookie")
	session := cmd.Flags().String("session", "", "The `ID` of the session that brought them")
	cmd.RunE = run(func(c client, args []string) error {
		body := changes{"external_id": args[0]}
		body.given(cmd, "brand", "brand", *brand)
		body.given(cmd, "username", "username", *username)
		body.given(cmd, "country-code", "country_code", *country)
		body.given(cmd, "registered-at", "registered_at", *registered)
		body.given(cmd, "token", "token", *token)
		body.given(cmd, "session", "session_id", *session)
		return show(c, http.MethodPost, "customers", body, saying[tracker.Customer]("added", func(p tracker.Customer) string {
			brought := "nobody brought them"
			if p.AffiliateID != 0 {
				brought = printable(p.Affiliate) + " brought them"
			}
			return fmt.Sprintf("customer %s (id %s) in network %s: %s", printable(p.ExternalID), printable(p.ID), printable(p.Network), brought)
		}))
	})
	return cmd
}
