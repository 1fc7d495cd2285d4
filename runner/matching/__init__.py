"""The exchange's side of trading: order rules, matching, holds, fees and the account's books. It knows core only."""
