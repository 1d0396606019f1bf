"""What a storm records: history, histograms and the ledger."""
