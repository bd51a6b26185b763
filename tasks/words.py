"""Word lists shared by the families. Data only."""

COMMON = """
able acid acre age air ant apple arch area arm army art ash atom aunt axe baby back bag ball band bank bark barn base
bath bay beach bean bear beat bed bee bell belt bench bike bill bird boat body bolt bone book boot bowl box boy brain
brick brush bull bus cable cake calf call camp canal candle cap car card cart case cat cave chain chair chalk cheek
cheese chess chin city claw clay cliff clock cloud coal coat coin comb cook copper coral corn cotton cow crab crane
crop crow crown cup cure curve dawn day deck deer desert desk dial diet dish dock dog door dove draft dream dress drum
duck dust eagle ear earth east edge egg elbow engine face fact farm fence fern field fig film fire fish flag flame
flock flour flute fog foot fork fort fox frame frog fruit fur gate gem ghost gift glass glove goat gold grain grape
grass guest guide gull hair hall ham hand harp hat hawk heart heel herb hill hinge honey hook horn horse hotel house
ice idea inch ink iron island ivory jacket jar jaw jewel juice jury key king kite knee knife knot lake lamb lamp lane
law leaf leg lemon letter lid light lily lime line lion lip list lock log loom lunch lung map maple mask mast meal
metal milk mill mind mint mist mole moon moss moth mouse mouth mud mule nail name neck needle nest net night north
nose note nut oak ocean office oil olive onion orange oven owl ox page paint palm pan paper park path pea peach pear
pearl pen pepper piano pig pin pine pipe plain plane plant plate plum pond pony pool post potato prize quail queen
quilt rabbit rail rain ranch rat reed rice ring river road robe rock roof room root rope rose rug rule salad salt sand
scarf school sea seal seed shade shark sheep shelf shell ship shirt shoe shop silk silver sink skirt sky smoke snail
snow soap sock soil song soup south spice spoon spring stable stage stair star steam steel stem step stone storm
stove straw street string sugar sun swan table tail tea tent thorn thumb tide tiger toad toast tool tooth tower town
toy track train tray tree trout truck tune turtle uncle valley van vase veil vest vine violin voice wagon wall walnut
wand wash wasp watch water wave wax week well west whale wheat wheel wind window wing winter wire wolf wood wool
word worm wrist yard year zebra zinc
""".split()
