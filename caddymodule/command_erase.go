package caddymodule

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func eraseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "erase", Short: "Takes everything that tells of one person out of the books", Args: none,
		Long: "Takes everything that tells of one person out of the books, for good. What was earned stays, without a trace of the " +
			"person. It asks before it does so, unless --yes is given.",
	}
	visitor := checkedFlag(cmd, "visitor", "The visitor's `ID`, 32 hexadecimal digits", "32 hexadecimal digits that are not all 0", isVisitorID)
	token := cmd.Flags().String("token", "", "The visitor's `TOKEN`, from the cookie")
	customer := checkedFlag(cmd, "customer", "The books' `ID` of a customer, a UUID", "a UUID", isUUID)
	external := cmd.Flags().String("customer-external-id", "", "Your own `ID` of a customer, also of one who was never reported")
	brand := cmd.Flags().String("brand", "", "The `BRAND` of the customer of --customer-external-id")
	sure := cmd.Flags().Bool("yes", false, "Do not ask")
	cmd.MarkFlagsOneRequired("visitor", "token", "customer", "customer-external-id")
	cmd.MarkFlagsMutuallyExclusive("visitor", "token", "customer", "customer-external-id")
	cmd.RunE = run(func(c client, _ []string) error {
		if *brand != "" && *external == "" {
			return errors.New("--brand goes with --customer-external-id")
		}
		if !*sure {
			if err := c.confirm("This cannot be undone. Erase?"); err != nil {
				return err
			}
		}
		body := changes{}
		body.given(cmd, "visitor", "visitor_id", *visitor)
		body.given(cmd, "token", "token", *token)
		body.given(cmd, "customer", "customer_id", *customer)
		body.given(cmd, "customer-external-id", "customer_external_id", *external)
		body.given(cmd, "brand", "customer_brand", *brand)
		return show(c, http.MethodPost, "privacy/erase", body, func(w io.Writer, e tracker.Erasure) error {
			_, err := fmt.Fprintf(w, "erased the person from %s, %s, %s, %s\n",
				numbered(e.Sessions, "session", "sessions"), numbered(e.Conversions, "conversion", "conversions"),
				numbered(e.Customers, "customer", "customers"), numbered(e.Transactions, "transaction", "transactions"))
			return err
		})
	})
	return cmd
}

func isVisitorID(s string) bool {
	id, err := tracker.ParseVisitorID(s)
	return err == nil && !id.IsZero()
}

func isUUID(s string) bool {
	_, err := tracker.ParseSessionID(s)
	return err == nil
}

// confirm asks a question that only a yes answers.
func (c client) confirm(question string) error {
	fmt.Fprint(c.err, question, " [y/N] ")
	answer, err := bufio.NewReader(c.in).ReadString('\n')
	if err != nil && answer == "" {
		fmt.Fprintln(c.err)
	}
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return errors.New("nothing was done (--yes answers the question beforehand)")
	}
	return nil
}
