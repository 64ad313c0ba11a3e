@0xb7d21f6c90a4e358;

interface Account {
  deposit  @0 (amount :Int64) -> (balance :Int64);
  transfer @1 (to :Text, amount :Int64) -> (balance :Int64);
  credit   @2 (amount :Int64) -> stream;
}
