"""eBay: jobs are executed over its Sell APIs."""
