package ledgertest

// atOnceTests are those in which several goroutines, or several ledgers, use one database at once. With the race detector only
// they run.
var atOnceTests = []test{
	{"many open an empty database", testOpenAtOnce},
	{"two apply one origin", testTwoHubs},
	{"two meet unknown links", testUnknownTogether},
	{"two hubs write one mark", testOneMark},
	{"one session is added again", testAddSessionAgain},
	{"two ledgers make the same affiliate", testAffiliateTogether},
	{"two ledgers make the same link", testLinkTogether},
	{"many repeats of a conversion count once", testRepeatsAtOnce},
	{"no interleaving leaves the books unbalanced", testInterleaving},
	{"many report a customer", testCustomersAtOnce},
	{"many report transactions", testTransactionsAtOnce},
	{"two hubs add transactions", testAddTransactionsAtOnce},
	{"unique clicks of two hubs", testUniquesTogether},
	{"an erasure while hubs apply", testEraseWhileApplying},
	{"an erasure while others book", testEraseWhileBooking},
	{"many hubs claim deliveries", testClaimTogether},
	{"many ask for aliases", testAliasesAtOnce},
}
